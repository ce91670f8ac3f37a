//! Who is calling: `setup`, `login`, `whoami`, `user`, `token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quell_core::{decision::Role, secret::Secret};
use serde_json::{Value, json};

use super::{
    Context,
    alone::{Account, Alone},
    fault::Done,
    local, moment,
    terminal::cell,
};

/// Make the first account with the code that `quell serve` printed
///
/// Works once, from the server's own machine, within 15 minutes of its start.
#[derive(Args)]
#[command(after_help = "Example: quell setup --code K7QF-2M9X --admin mara --password-file mara.pw")]
pub struct Setup {
    /// The code that the server printed
    #[arg(long)]
    code: String,
    /// The administrator's name
    #[arg(long, value_name = "NAME")]
    admin: String,
    /// The administrator's password; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// The address that owners are matched by
    #[arg(long)]
    email: Option<String>,
}

/// Sign in as a person; the token it prints is QUELL_TOKEN for the commands after it
#[derive(Args)]
#[command(after_help = "Example: export QUELL_TOKEN=$(quell login --user mara --password-file mara.pw --json | jq -r .token)")]
pub struct Login {
    /// The account's name
    #[arg(long)]
    user: String,
    /// Its password; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
}

/// Print as whom QUELL_TOKEN speaks, in which roles and until when
#[derive(Args)]
#[command(after_help = "Example: quell whoami")]
pub struct Whoami {}

/// Accounts of people and programs
#[derive(Subcommand)]
pub enum User {
    Create(UserCreate),
}

/// Make an account of a person or of a program
///
/// With --data-dir it works on a stopped server: the way back in, which the
/// ledger records.
#[derive(Args)]
#[command(after_help = "Example: quell user create iris --role iam --role lead --email iris@corp.example --password-file iris.pw")]
pub struct UserCreate {
    /// The account's name
    name: String,
    /// A role it gets; may be repeated
    #[arg(long = "role", required = true, value_name = "ROLE", value_parser = roles())]
    roles: Vec<String>,
    /// The address that owners are matched by
    #[arg(long)]
    email: Option<String>,
    /// Its password; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print a token for it, too
    #[arg(long)]
    token: bool,
    /// What it is: only a human may approve, judge, accept, undo, arm or close
    #[arg(long, default_value = "human", value_parser = ["human", "automation", "agent"])]
    kind: String,
    /// Work on this data directory instead of asking a server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The key file of that data directory
    #[arg(long, value_name = "FILE", env = "QUELL_FINGERPRINT_KEY_FILE")]
    fingerprint_key_file: Option<PathBuf>,
}

/// Machine tokens
#[derive(Subcommand)]
pub enum Token {
    Create(TokenCreate),
}

/// Make a machine token of an account or of a source; it never approves
///
/// With --data-dir it works on a stopped server, which the ledger records.
#[derive(Args)]
#[command(after_help = "Example: quell token create dashboard --user mara --scope cases:read --expires 30d")]
pub struct TokenCreate {
    /// What it is for
    name: String,
    /// The account it stands for; your own where neither is given
    #[arg(long, conflicts_with = "source")]
    user: Option<String>,
    /// The source it stands for
    #[arg(long)]
    source: Option<String>,
    /// What it may do; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// How long it lives
    #[arg(long, value_name = "TIME", value_parser = moment::duration_text)]
    expires: String,
    /// Work on this data directory instead of asking a server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The key file of that data directory
    #[arg(long, value_name = "FILE", env = "QUELL_FINGERPRINT_KEY_FILE")]
    fingerprint_key_file: Option<PathBuf>,
}

/// The role ids, for clap.
pub fn roles() -> clap::builder::PossibleValuesParser {
    Role::ALL.map(Role::name).to_vec().into()
}

impl Setup {
    pub async fn run(self, context: &Context) -> Done {
        let password = local::secret_file(&self.password_file)?;
        let body = json!({ "code": self.code, "name": self.admin, "password": *password, "email": self.email });
        let answer = context.stranger()?.post("setup", &body).await?;
        context.print(&answer, |a| format!("{} is the administrator.\n{}", cell(&a["user"]), use_token(a)))?;
        Ok(0)
    }
}

impl Login {
    pub async fn run(self, context: &Context) -> Done {
        let password = local::secret_file(&self.password_file)?;
        let body = json!({ "user": self.user, "password": *password });
        let answer = context.stranger()?.post("login", &body).await?;
        context.print(&answer, |a| format!("Signed in as {} until {}.\n{}", cell(&a["user"]), cell(&a["expires_at"]), use_token(a)))?;
        Ok(0)
    }
}

impl Whoami {
    pub async fn run(self, context: &Context) -> Done {
        let answer = context.client()?.get("whoami").await?;
        context.print(&answer, |a| {
            let how = if a["signed_in"] == true { "signed in" } else { "by a machine token, which never approves," };
            let name = [&a["name"], &a["source"]].into_iter().find(|n| !n.is_null()).map_or_else(String::new, |n| format!("{} ", cell(n)));
            let until = if a["expires_at"].is_null() { "without an end".to_owned() } else { format!("until {}", cell(&a["expires_at"])) };
            format!("{name}{} as {}, {how} {until}\nscopes: {}", cell(&a["user"]), cell(&a["roles"]), cell(&a["scopes"]))
        })?;
        Ok(0)
    }
}

impl User {
    pub async fn run(self, context: &Context) -> Done {
        let Self::Create(verb) = self;
        verb.run(context).await
    }
}

impl UserCreate {
    async fn run(self, context: &Context) -> Done {
        let password = self.password_file.as_deref().map(local::secret_file).transpose()?;
        let answer = match &self.data_dir {
            Some(dir) => {
                let account = Account {
                    name: &self.name,
                    roles: &self.roles,
                    email: self.email,
                    password: password.map(|p| Secret::new(p.as_str())),
                    token: self.token,
                    human: self.kind == "human",
                };
                Alone::open(&context.local, dir, self.fingerprint_key_file.as_deref()).await?.create_user(account).await?
            }
            None => {
                let password = password.as_deref();
                let body = json!({ "name": self.name, "roles": self.roles, "email": self.email, "password": password, "token": self.token, "kind": self.kind });
                context.client()?.post("users", &body).await?
            }
        };
        context.print(&answer, |a| match a["token"].as_str() {
            Some(_) => format!("{} may sign in.\n{}", cell(&a["user"]), use_token(a)),
            None => format!("{} may sign in: `quell login --user {0} --password-file F`", cell(&a["user"])),
        })?;
        Ok(0)
    }
}

impl Token {
    pub async fn run(self, context: &Context) -> Done {
        let Self::Create(verb) = self;
        verb.run(context).await
    }
}

impl TokenCreate {
    async fn run(self, context: &Context) -> Done {
        let answer = match &self.data_dir {
            Some(dir) => {
                let alone = Alone::open(&context.local, dir, self.fingerprint_key_file.as_deref()).await?;
                alone.create_token(&self.name, self.user.as_deref(), self.source.as_deref(), self.scopes, &self.expires).await?
            }
            None => {
                let body =
                    json!({ "name": self.name, "user": self.user, "source": self.source, "scopes": self.scopes, "expires": self.expires });
                context.client()?.post("tokens", &body).await?
            }
        };
        context.print(&answer, |a| format!("{} until {}\n{}", cell(&a["id"]), cell(&a["expires_at"]), use_token(a)))?;
        Ok(0)
    }
}

/// The token is shown once, here: the ledger holds only its hash.
fn use_token(answer: &Value) -> String {
    format!("Shown once; keep it like a password:\n\n  export QUELL_TOKEN={}", cell(&answer["token"]))
}
