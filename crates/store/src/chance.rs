//! The operating system's chance.

use quell_engine::port::Chance;

/// Chance nobody can predict.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsChance;

impl Chance for OsChance {
    /// Panics where the system has no source of chance: every key, nonce and
    /// salt made without one would be a lie.
    #[expect(clippy::disallowed_methods, reason = "this is the Chance port's real side")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a Linux that started this process answers getrandom");
    }
}
