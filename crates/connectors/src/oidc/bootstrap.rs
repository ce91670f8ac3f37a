//! What the provider's administrator makes for Quell: two clients, one account. No
//! standard makes them, so this is text to go by and no script that runs.

use quell_engine::port::PlaneError;
use serde_json::json;

use super::{config::OidcConfig, wire::SCOPE};

/// What is to be made, as comments and client metadata (RFC 7591). It holds no secret. The
/// scope is the whole provider: its admin plane knows no smaller one.
///
/// # Errors
///
/// When the configuration contradicts itself, or a scope was given.
pub fn bootstrap_script(config: &OidcConfig, scope: &[String]) -> Result<String, PlaneError> {
    let bad = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
    if let Some(why) = config.complaint() {
        return Err(bad(why));
    }
    if !scope.is_empty() {
        return Err(bad(
            "takes no `--scope`: whoever may use the admin plane reaches every account; name exceptions under `protected`".to_owned()
        ));
    }
    let client = |id: &str, scope: &str| {
        let metadata = json!({
            "client_id": id, "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": scope,
            "token_endpoint_auth_method": "client_secret_basic",
        });
        serde_json::to_string_pretty(&metadata).expect("JSON")
    };
    let (own, control, issuer) = (&config.client, &config.control.identity, config.issuer());
    Ok(format!(
        "# For the administrator of {issuer}. It is read and done by hand, or by what your provider has for it.\n\
         #\n\
         # 1. Quell's own client. Its secret goes into `secret_file`. It may ask about every client's tokens\n\
         #    (RFC 7662), and its tokens with `{SCOPE}` open the admin plane `quell-oidc-admin/1`.\n\
         {}\n\
         # 2. The client of the control. Its secret goes into `control.secret_file`; it opens nothing.\n\
         {}\n\
         # 3. The account `{control}` with the same secret as its password, one session and one grant that do not\n\
         #    expire, and that nobody holds. They are what every listing must show.\n\
         # 4. Keep `{own}` and `{control}` out of what the admin plane changes.\n",
        client(own, SCOPE),
        client(control, ""),
    ))
}
