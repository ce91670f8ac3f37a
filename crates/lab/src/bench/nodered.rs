//! Node-RED with the same two statements behind an HTTP endpoint: what people
//! wire a containment in today. It records nothing and proves nothing; it is
//! here to say what that costs.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::measure::Stopwatch;
use crate::{postgres::Postgres, private};

/// Where Node-RED is installed, and the Node that runs it.
#[derive(Clone, Debug)]
pub struct Installed {
    pub dir: PathBuf,
    pub node: PathBuf,
}

/// A running Node-RED.
pub struct NodeRed {
    child: Child,
    pub url: String,
}

const SETTINGS: &str = "
const { Pool } = require(process.env.PG_MODULE);
const { readFileSync } = require('fs');
const pool = new Pool({
  host: '127.0.0.1', port: Number(process.env.PG_PORT), user: 'postgres', database: 'billing', max: 4,
  password: readFileSync(process.env.PG_SECRET, 'utf8').trim(),
  ssl: { ca: readFileSync(process.env.PG_CA, 'utf8'), servername: 'localhost' },
});
module.exports = {
  uiHost: '127.0.0.1', uiPort: Number(process.env.PORT), flowFile: 'flows.json', userDir: __dirname,
  credentialSecret: 'none are kept', httpAdminRoot: false, telemetry: { enabled: false },
  logging: { console: { level: 'warn' } }, functionGlobalContext: { pool },
};
";

const CONTAIN: &str = "
const { role } = msg.payload;
if (!/^[a-z0-9_]+$/.test(role)) throw new Error('expected letters, digits and _');
const pool = global.get('pool');
await pool.query(`ALTER ROLE \"${role}\" NOLOGIN`);
const ended = await pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [role]);
msg.payload = { ended: ended.rowCount };
return msg;
";

impl NodeRed {
    /// Starts it over this server, and waits until it answers.
    pub async fn start(installed: &Installed, server: &Postgres, dir: &Path) -> Result<Self> {
        let home = dir.join("nodered");
        fs::create_dir(&home)?;
        let place = |name: &str, text: &str| fs::write(home.join(name), text).with_context(|| format!("write `{name}`"));
        place("settings.js", SETTINGS)?;
        let flow = json!([
            { "id": "flow", "type": "tab", "label": "contain" },
            { "id": "in", "type": "http in", "z": "flow", "url": "/contain", "method": "post", "upload": false, "wires": [["act"]] },
            { "id": "asked", "type": "http in", "z": "flow", "url": "/ready", "method": "get", "upload": false, "wires": [["out"]] },
            { "id": "act", "type": "function", "z": "flow", "func": CONTAIN, "outputs": 1, "wires": [["out"]] },
            { "id": "out", "type": "http response", "z": "flow", "wires": [] },
        ]);
        place("flows.json", &flow.to_string())?;
        place("ca.pem", server.ca_pem())?;
        private::write(&home.join("secret"), server.superuser_password().reveal())?;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut child = Command::new(&installed.node)
            .arg(installed.dir.join("node_modules/node-red/red.js"))
            .args(["--settings", "settings.js"])
            .current_dir(&home)
            .env("PG_MODULE", installed.dir.join("node_modules/pg"))
            .env("PG_PORT", server.port().to_string())
            .env("PG_SECRET", home.join("secret"))
            .env("PG_CA", home.join("ca.pem"))
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(File::create(home.join("log"))?)
            .stderr(File::create(home.join("err"))?)
            .spawn()
            .with_context(|| format!("start Node-RED with `{}`", installed.node.display()))?;
        let at = |path: &str| format!("http://127.0.0.1:{port}/{path}");
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let watch = Stopwatch::start();
        loop {
            if http.get(at("ready")).send().await.is_ok_and(|a| a.status() == 200) {
                return Ok(Self { child, url: at("contain") });
            }
            if let Some(status) = child.try_wait()? {
                bail!("Node-RED ended with {status}: {}", fs::read_to_string(home.join("log")).unwrap_or_default());
            }
            if watch.elapsed() > Duration::from_secs(60) {
                child.kill().and_then(|()| child.wait())?;
                bail!("Node-RED did not answer in 60 s: {}", fs::read_to_string(home.join("log")).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for NodeRed {
    fn drop(&mut self) {
        // It is gone already, or it goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
