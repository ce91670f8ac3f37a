//! Whether a JWT is one that the provider signed (RFC 7515, RFC 9068). Who holds one that
//! verifies holds the token itself; its claims alone are known to whoever reads a log.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// What a signed token says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub sub: Option<String>,
    pub jti: Option<String>,
    pub exp: i64,
    pub client_id: Option<String>,
}

/// What became of a value that looks like a JWT.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// It has not the form of one.
    NoJwt,
    /// No key of the provider made its signature, or it is of an algorithm that is not
    /// believed.
    NotSigned,
    /// An access token that the provider signed.
    Access(Claims),
    /// The provider signed it, and it is no access token: an ID token, for one.
    Other,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// Checks `value` against the provider's keys.
pub(super) fn check(value: &str, keys: &Keys, issuer: &str) -> Checked {
    let parts: Vec<&str> = value.split('.').collect();
    let [head, payload, signed] = parts.as_slice() else { return Checked::NoJwt };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let (Some(head_bytes), Some(payload_bytes), Some(signed)) = (decode(head), decode(payload), decode(signed)) else {
        return Checked::NoJwt;
    };
    let Ok(header) = serde_json::from_slice::<Header>(&head_bytes) else { return Checked::NoJwt };
    let Ok(claims) = serde_json::from_slice::<Claims>(&payload_bytes) else { return Checked::NotSigned };
    let message = &value.as_bytes()[..head.len() + 1 + payload.len()];
    let fits = |key: &&Key| header.kid.is_none() || key.kid.is_none() || key.kid == header.kid;
    if claims.iss != issuer || !keys.keys.iter().filter(fits).any(|key| verifies(&header.alg, key, message, &signed)) {
        return Checked::NotSigned;
    }
    // RFC 9068 section 2.1 names the type of an access token; an ID token has none.
    let is_access = header.typ.is_some_and(|typ| matches!(typ.to_ascii_lowercase().as_str(), "at+jwt" | "application/at+jwt"));
    if is_access { Checked::Access(claims) } else { Checked::Other }
}

fn verifies(alg: &str, key: &Key, message: &[u8], signed: &[u8]) -> bool {
    let part = |text: &Option<String>| text.as_deref().and_then(|t| URL_SAFE_NO_PAD.decode(t).ok());
    match (alg, key.kty.as_str(), key.crv.as_deref()) {
        ("ES256", "EC", Some("P-256")) | ("ES384", "EC", Some("P-384")) => {
            let (Some(x), Some(y)) = (part(&key.x), part(&key.y)) else { return false };
            // An uncompressed point (SEC 1 section 2.3.3).
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            let how: &dyn signature::VerificationAlgorithm =
                if alg == "ES256" { &signature::ECDSA_P256_SHA256_FIXED } else { &signature::ECDSA_P384_SHA384_FIXED };
            UnparsedPublicKey::new(how, point).verify(message, signed).is_ok()
        }
        ("EdDSA" | "Ed25519", "OKP", Some("Ed25519")) => {
            part(&key.x).is_some_and(|x| UnparsedPublicKey::new(&signature::ED25519, x).verify(message, signed).is_ok())
        }
        ("RS256" | "PS256" | "RS384" | "RS512", "RSA", _) => {
            let (Some(n), Some(e)) = (part(&key.n), part(&key.e)) else { return false };
            let how = match alg {
                "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                _ => &signature::RSA_PSS_2048_8192_SHA256,
            };
            RsaPublicKeyComponents { n, e }.verify(how, message, signed).is_ok()
        }
        // `none`, and whatever a shared secret signs, is nobody's signature.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://login.example";

    struct Signer {
        pair: EcdsaKeyPair,
        random: SystemRandom,
    }

    impl Signer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("made");
            Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).expect("a key"), random }
        }

        fn keys(&self) -> Keys {
            let point = self.pair.public_key().as_ref();
            let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
            let key = json!({"kty": "EC", "crv": "P-256", "kid": "one", "x": part(1), "y": part(33)});
            serde_json::from_value(json!({ "keys": [key] })).expect("keys")
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
            let message = format!("{}.{}", part(header), part(claims));
            let signed = self.pair.sign(&self.random, message.as_bytes()).expect("signed");
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed.as_ref()))
        }
    }

    #[test]
    fn only_what_a_key_of_the_provider_signed_is_a_token_of_it() {
        let (signer, other) = (Signer::new(), Signer::new());
        let head = json!({"alg": "ES256", "typ": "at+jwt", "kid": "one"});
        let claims = json!({"iss": ISSUER, "sub": "alice", "jti": "j", "exp": 1_800_000_000, "client_id": "web"});
        let keys = signer.keys();
        let good = signer.sign(&head, &claims);
        assert!(matches!(check(&good, &keys, ISSUER), Checked::Access(c) if c.jti.as_deref() == Some("j") && c.exp == 1_800_000_000));
        // Its claims alone are known to whoever reads a log.
        assert_eq!(check(&other.sign(&head, &claims), &keys, ISSUER), Checked::NotSigned);
        let (message, _) = good.rsplit_once('.').expect("three parts");
        for value in [format!("{message}."), format!("{message}.AAAA")] {
            assert_eq!(check(&value, &keys, ISSUER), Checked::NotSigned, "{value}");
        }
        let mut later = claims.clone();
        later["exp"] = json!(1_900_000_000);
        let payload = URL_SAFE_NO_PAD.encode(later.to_string());
        let parts: Vec<&str> = good.split('.').collect();
        assert_eq!(check(&format!("{}.{payload}.{}", parts[0], parts[2]), &keys, ISSUER), Checked::NotSigned, "a later end");
        assert_eq!(check(&good, &keys, "https://elsewhere.example"), Checked::NotSigned, "of another issuer");
        for alg in ["none", "HS256", "ES384", "RS256", "es256"] {
            let mut head = head.clone();
            head["alg"] = json!(alg);
            assert_eq!(check(&signer.sign(&head, &claims), &keys, ISSUER), Checked::NotSigned, "{alg}");
        }
        let id_token = signer.sign(&json!({"alg": "ES256", "kid": "one"}), &json!({"iss": ISSUER, "sub": "alice", "aud": "web", "exp": 1}));
        assert_eq!(check(&id_token, &keys, ISSUER), Checked::Other);
        for value in ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", "opaque-value"] {
            assert_eq!(check(value, &keys, ISSUER), Checked::NoJwt, "{value}");
        }
    }
}
