//! A program without std that links the pure crates.
//!
//! It brings its own panic handler, so a std anywhere in the graph is a second
//! one and the build fails (E0152). It runs a little of each crate as well, so
//! that the linker has to find all that they call. Exit 0 means that it did.

#![no_std]
#![no_main]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_int;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};
use quell_ledger::bundle::{self, Bundle, Event, Link};
use quell_ledger::{Checkpoint, Hash, SigningKey, leaf, tree};

const BYTES: usize = 4 << 20;

/// Memory is only ever handed out; the program is over before it runs out.
struct Bump {
    memory: core::cell::UnsafeCell<[u8; BYTES]>,
    used: AtomicUsize,
}

// SAFETY: each byte is handed out at most once, because `used` only grows.
unsafe impl Sync for Bump {}

// SAFETY: what is returned lies in `memory`, is aligned and never shared.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get().cast::<u8>();
        let wanted = layout.size() + layout.align();
        let used = self.used.fetch_add(wanted, Ordering::Relaxed);
        if used.saturating_add(wanted) > BYTES {
            return null_mut();
        }
        // SAFETY: `used + wanted` is within `memory`, and the offset to the
        // next aligned address is below the alignment that `wanted` includes.
        unsafe {
            let free = base.add(used);
            free.add(free.align_offset(layout.align()))
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: Bump = Bump { memory: core::cell::UnsafeCell::new([0; BYTES]), used: AtomicUsize::new(0) };

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: takes nothing and never returns.
    unsafe { abort() }
}

// The `alloc` that comes with the toolchain was built for unwinding and names
// these two. With panic=abort nothing unwinds, so nothing calls them.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: takes nothing and never returns.
    unsafe { abort() }
}

#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _arguments: *const *const u8) -> c_int {
    match canonical().and_then(proved) {
        Some(()) => 0,
        None => 1,
    }
}

/// A leaf in the one spelling that `core` gives it.
fn canonical() -> Option<alloc::vec::Vec<u8>> {
    let value = quell_core::canonical::read(br#"{"a":[1,"\u00e9"],"b":null}"#);
    if value.is_ok() {
        // An escape that is not needed is another spelling.
        return None;
    }
    let leaf = r#"{"a":[1,"é"],"b":null}"#.as_bytes();
    quell_core::canonical::write(&quell_core::canonical::read(leaf).ok()?).ok().filter(|again| again == leaf)
}

/// A bundle of one event, written, verified, and refused after one bit.
fn proved(leaf: alloc::vec::Vec<u8>) -> Option<()> {
    let key = SigningKey::from_seed("log.example/a", &[7; 32]).ok()?;
    let root = tree::root(&[leaf::hash(&leaf)]);
    let checkpoint = Checkpoint::new("log.example/a", 1, root).sign(&key).ok()?;
    let bundle = Bundle {
        case: br#"{"case":"C-1","stream":"case"}"#.to_vec(),
        checkpoint: alloc::string::ToString::to_string(&checkpoint),
        key: key.verifier().clone(),
        events: alloc::vec![Event { index: 0, leaf, proof: alloc::vec![] }],
        blobs: alloc::vec![],
        disclosures: alloc::vec![],
    };
    let inspect = |_: &[u8]| -> Result<Link, alloc::string::String> {
        let stream = "case".into();
        Ok(Link { stream, version: 1, canonical: true, heads: Some(alloc::vec![]), ..Link::default() })
    };
    let mut bytes = bundle::write(&bundle).ok()?;
    let whole = bundle::verify(&bytes, Some(key.verifier()), &inspect).ok;
    bytes[50] ^= 1;
    let changed = bundle::verify(&bytes, Some(key.verifier()), &inspect).ok;
    (whole && !changed && root != Hash([0; 32])).then_some(())
}
