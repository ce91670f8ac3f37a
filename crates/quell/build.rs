//! Puts the built console into the binary, where there is one.
//!
//! Node is not needed here: without `console/dist/index.html` the table is empty
//! and the server answers with a page that says how to get the console.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var(name).map_err(|e| io::Error::other(format!("{name}: {e}")));
    let dist = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../console/dist");
    // A tracked file keeps the folder there: a path that is missing would have
    // cargo run this, and build the crate, every time.
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut table = String::from("pub static ASSETS: &[(&str, &[u8])] = &[\n");
    if dist.join("index.html").is_file() {
        let mut names = Vec::new();
        gather(&dist, "", &mut names)?;
        names.sort();
        for name in names {
            let path = dist.join(&name).canonicalize()?;
            table.push_str(&format!("    ({name:?}, include_bytes!({path:?})),\n"));
        }
    }
    table.push_str("];\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("console_assets.rs"), table)
}

fn gather(folder: &Path, under: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{under}{name}");
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{path}/"), names)?;
        } else if !name.starts_with('.') {
            names.push(path);
        }
    }
    Ok(())
}
