//! Each source against the rows of a careful reader, where the folder of real
//! messages is at hand (see `corpus`).
//!
//! A row is one person's reading. Where the payload says otherwise, `ARGUED`
//! names file, field and why, and the test holds us to the disagreement: once
//! it is gone the entry must go, too.

use std::path::Path;

use quell_core::time::Timestamp;
use serde_json::Value;

use crate::{
    corpus::{corpus, expected, read},
    shown,
};

/// Source, file, field, and what the payload says.
const ARGUED: &[(&str, &str, &str, &str)] = &[
    (
        "github-audit",
        "org_block_user.json",
        "identity_native_id",
        "`blocked_user` is whose access was cut, and this evidence belongs to their case; `actor` is the administrator who cut it, as \
         the one who puts a Teleport lock is",
    ),
    (
        "hashicorp-vault-audit",
        "jwt_login_response.json",
        "credential_id",
        "only `auth.accessor` is masked; `response.auth.accessor` is that of the minted token, in clear",
    ),
    (
        "microsoft-entra",
        "sign-in_activity6.json",
        "credential_id",
        "`properties.sessionId` is the session; what the row names is `deviceDetail.deviceId`, which is no credential",
    ),
    (
        "okta-system-log",
        "account_lock.json",
        "identity_native_id",
        "`REDACTED` is a placeholder, and as an id it would fold strangers; `alternateId` names the user, as the row's note says",
    ),
];

struct Row<'a> {
    source: &'a str,
    row: &'a Value,
}

impl Row<'_> {
    fn cell(&self, name: &str) -> Option<&str> {
        self.row[name].as_str().filter(|text| !text.is_empty())
    }

    fn is_argued(&self, field: &str) -> bool {
        ARGUED.iter().any(|(source, file, of, _)| (*source, *file, *of) == (self.source, self.cell("file").unwrap(), field))
    }

    /// Fails unless `right` holds, or fails because an argued row is right.
    fn holds(&self, field: &str, right: bool, line: &Value) {
        assert_ne!(right, self.is_argued(field), "{}/{}: {field}: row {}, reading {line:#}", self.source, self.row["file"], self.row);
    }

    /// The id of the row, or its name where it has only that. A cell may say
    /// first what kind of id it is (`appId 4711`).
    fn names(&self, line: &Value) -> bool {
        let wanted = self.cell("identity_native_id").or(self.cell("identity_name"));
        let given = line["subject"]["native_id"].as_str();
        wanted.is_some() && (wanted == given || wanted.and_then(|w| w.split_once(' ')).map(|(_, id)| id) == given)
    }

    fn check(&self, lines: &[Value]) {
        assert!(lines.iter().all(|l| l["unreadable"].is_null()), "{}/{}: {lines:?}", self.source, self.row["file"]);
        if matches!(self.cell("identity_resolvable"), Some("no" | "secret_only")) {
            for line in lines {
                for hole in [&line["subject"]["native_id"], &line["subject"]["name"], &line["actor"]["native_id"], &line["actor"]["name"]] {
                    assert!(hole.is_null(), "{}/{}: invented: {line:#}", self.source, self.row["file"]);
                }
            }
        }
        // Of a batch, the row is about the one finding that names its identity.
        let Some(line) = lines.iter().find(|l| self.names(l)).or(lines.first()) else {
            assert_ne!(self.cell("identity_resolvable"), Some("yes"), "{}/{} is silent", self.source, self.row["file"]);
            return;
        };
        if self.cell("identity_resolvable") == Some("yes") {
            self.holds("identity_native_id", self.names(line), line);
            self.check_kind(line);
        }
        if let Some(wanted) = self.cell("event_time").and_then(|t| t.parse::<Timestamp>().ok()) {
            let given = line["observed_at"].as_str().map(|t| t.parse::<Timestamp>().unwrap());
            self.holds("event_time", given == Some(wanted), line);
        }
        if let (Some(id), Some(cell)) = (line["credential"]["id"].as_str(), self.cell("credential_id")) {
            let mut tokens = cell.split(' ').map(|t| t.trim_matches([',', ';', '(', ')', '"']));
            self.holds("credential_id", tokens.any(|t| t == id), line);
        }
    }

    fn check_kind(&self, line: &Value) {
        let kind = line["subject"]["kind"].as_str().unwrap();
        let right = match self.cell("identity_kind").unwrap() {
            wanted @ ("human" | "service_account" | "workload" | "device" | "agent") => kind == wanted,
            "iam_user" | "role_session" | "os_account" | "service_principal" | "kubernetes_user" | "bot" | "integration" => {
                ["human", "service_account", "workload"].contains(&kind)
            }
            "ai_agent_tool" => kind == "agent",
            // A key, token or session: whose it is, is another question.
            _ => true,
        };
        self.holds("identity_kind", right, line);
    }
}

/// Reads every open file of `source` and holds it against its row.
fn check_source(source: &str) {
    let Some(root) = corpus() else { return };
    let folder = root.join(source);
    let rows = expected(&folder);
    assert!(!rows.is_empty(), "{source} has rows");
    for row in &rows {
        let file = folder.join(row["file"].as_str().unwrap());
        check_file(source, row, &file);
    }
}

fn check_file(source: &str, row: &Value, file: &Path) {
    let lines = shown::lines(source, read(source, file));
    Row { source, row }.check(&lines);
    // An empty report has a shape only where its format gives it one.
    let auto = shown::lines("auto", read("auto", file));
    assert_eq!(auto, lines, "{source}/{}: `auto` reads it otherwise", row["file"]);
}

macro_rules! sources {
    ($($test:ident: $source:literal,)*) => {
        $(#[test]
        fn $test() {
            check_source($source);
        })*

        #[test]
        fn every_argued_row_is_of_a_source_that_is_checked() {
            let checked = [$($source),*];
            assert!(ARGUED.iter().all(|(source, ..)| checked.contains(source)));
        }
    };
}

sources! {
    ai_platform_audit_reads_as_its_rows_say: "ai-platform-audit",
    auth0_reads_as_its_rows_say: "auth0",
    detect_secrets_reads_as_its_rows_say: "detect-secrets",
    duo_reads_as_its_rows_say: "duo",
    github_audit_reads_as_its_rows_say: "github-audit",
    github_secret_scanning_reads_as_its_rows_say: "github-secret-scanning",
    gitguardian_reads_as_its_rows_say: "gitguardian",
    hashicorp_vault_audit_reads_as_its_rows_say: "hashicorp-vault-audit",
    keycloak_reads_as_its_rows_say: "keycloak",
    microsoft_entra_reads_as_its_rows_say: "microsoft-entra",
    okta_system_log_reads_as_its_rows_say: "okta-system-log",
    onelogin_reads_as_its_rows_say: "onelogin",
    ssf_caep_reads_as_its_rows_say: "ssf-caep",
    teleport_reads_as_its_rows_say: "teleport",
    trufflehog_reads_as_its_rows_say: "trufflehog",
}
