//! Keys and certificates of the lab, made by the tools of OpenSSH itself.

use std::{fmt, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// A key of ed25519 or another kind, made for one run.
#[derive(Clone)]
pub struct KeyPair {
    private: String,
    public: String,
}

impl KeyPair {
    /// Makes a key of ed25519; `comment` is its comment.
    ///
    /// # Errors
    ///
    /// When `ssh-keygen` cannot be run.
    pub fn generate(comment: &str) -> Result<Self> {
        Self::of_kind(comment, &["-t", "ed25519"], "")
    }

    /// Makes a key as the words of `ssh-keygen` say.
    ///
    /// # Errors
    ///
    /// When `ssh-keygen` cannot be run or refuses them.
    pub fn of_kind(comment: &str, kind: &[&str], passphrase: &str) -> Result<Self> {
        let dir = tempfile::tempdir().context("make a directory for a key")?;
        let file = dir.path().join("key");
        let mut words = vec!["-q", "-N", passphrase, "-C", comment];
        words.extend(kind);
        run(&words, &file)?;
        let private = fs::read_to_string(&file).context("read the key")?;
        let public = fs::read_to_string(file.with_extension("pub")).context("read the key")?;
        Ok(Self { private, public: public.trim().to_owned() })
    }

    /// A private key that was made elsewhere.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn known(private: &str) -> Result<Self> {
        let dir = tempfile::tempdir().context("make a directory for a key")?;
        let file = dir.path().join("key");
        crate::private::write(&file, &format!("{}\n", private.trim_end()))?;
        let output = Command::new("ssh-keygen").args(["-y", "-f"]).arg(&file).output().context("run `ssh-keygen`")?;
        if !output.status.success() {
            bail!("it is no private key");
        }
        Ok(Self { private: format!("{}\n", private.trim_end()), public: String::from_utf8_lossy(&output.stdout).trim().to_owned() })
    }

    /// The private key in OpenSSH's form.
    #[must_use]
    pub fn private(&self) -> &str {
        &self.private
    }

    /// The public key as a line of a file of keys.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Its fingerprint, as `ssh-keygen` prints it: `SHA256:..`.
    ///
    /// # Errors
    ///
    /// When `ssh-keygen` cannot be run.
    pub fn fingerprint(&self) -> Result<String> {
        let dir = tempfile::tempdir().context("make a directory for a key")?;
        let file = dir.path().join("key.pub");
        fs::write(&file, &self.public).context("write the key")?;
        let output = Command::new("ssh-keygen").args(["-l", "-f"]).arg(&file).output().context("run `ssh-keygen`")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().nth(1).map(str::to_owned).context("ssh-keygen prints no fingerprint")
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A certificate of `authority` for `key`: its public text.
pub(super) fn certify(authority: &KeyPair, key: &KeyPair, id: &str, principals: &str, serial: u64, validity: &str) -> Result<String> {
    let dir = tempfile::tempdir().context("make a directory for a certificate")?;
    let (signer, public) = (dir.path().join("authority"), dir.path().join("key.pub"));
    crate::private::write(&signer, authority.private())?;
    fs::write(&public, format!("{}\n", key.public())).context("write the key")?;
    let output = Command::new("ssh-keygen")
        .args(["-q", "-I", id, "-n", principals, "-z", &serial.to_string(), "-V", validity, "-s"])
        .arg(&signer)
        .arg(&public)
        .output()
        .context("run `ssh-keygen`")?;
    if !output.status.success() {
        bail!("no certificate: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(fs::read_to_string(dir.path().join("key-cert.pub")).context("read the certificate")?.trim().to_owned())
}

fn run(words: &[&str], file: &Path) -> Result<()> {
    let output =
        Command::new("ssh-keygen").args(words).arg("-f").arg(file).output().context("run `ssh-keygen`; install `openssh-client`")?;
    if !output.status.success() {
        bail!("`ssh-keygen` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
