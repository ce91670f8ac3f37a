//! Certificates of the server's own CA.
//!
//! A CA that says "revoked" has only said so: whoever checks no list lets the
//! certificate in until it ends. So it is never called dead before that.

use quell_core::proof::{Answer, Observation, ProbeClass};
use serde_json::json;

use super::{
    OpenBao,
    answer::Failure,
    wire::{Call, Verb},
};
use crate::{
    attempt::{Changed, Stop, change, refused},
    vantage::cannot_tell,
};

/// How long after its end a careless relying party may still take a certificate.
const LEEWAY_SECONDS: i64 = 60;

impl OpenBao {
    pub(super) async fn revoke_cert(&self, mount: &str, serial: &str) -> Result<Changed, Stop> {
        let was = self.cert_revoked_at(mount, serial).await?.ok_or_else(|| refused("the CA knows no certificate of this serial"))?;
        if was > 0 {
            return Ok(Changed::new());
        }
        let call = Call::new(Verb::Update, "+/revoke", &[mount]);
        self.wire.call(call, Some(json!({ "serial_number": serial }))).await?.accepted()?;
        Ok(change("certificate", Some("good".to_owned()), Some("revoked at the CA".to_owned())))
    }

    pub(super) async fn observe_cert(&self, mount: &str, serial: &str) -> Vec<Observation> {
        let (round, (cert, revoked)) =
            tokio::join!(self.begin(), async { tokio::join!(self.cert(mount, serial), self.cert_revoked_at(mount, serial)) });
        let control = self.clock_control(&round);
        let ends = |cert: Result<Option<super::seen::CertSeen>, Failure>| match cert {
            Ok(Some(cert)) => Ok(cert.not_after),
            Ok(None) => Err(cannot_tell("the CA does not list the certificate, so nobody can say when it ends")),
            Err(failure) => Err(self.unasked(failure)),
        };
        match (revoked, ends(cert)) {
            (_, Err(answer)) => vec![self.observation(ProbeClass::Clock, &round, answer, Some(control))],
            (Ok(Some(0)), Ok(until)) if round.health.as_ref().is_ok_and(|h| h.clock <= until) => {
                vec![self.observation(ProbeClass::Clock, &round, Answer::Usable, Some(control))]
            }
            (Ok(Some(_)), Ok(until)) => vec![
                self.observation(ProbeClass::Clock, &round, Answer::ValidUntil { until, leeway_seconds: LEEWAY_SECONDS }, Some(control)),
                self.observation(
                    ProbeClass::Record,
                    &round,
                    Answer::Recorded { by: "the CA, which lists it as revoked,".to_owned() },
                    None,
                ),
            ],
            (Ok(None), Ok(_)) => {
                vec![self.observation(ProbeClass::Clock, &round, cannot_tell("the CA knows no certificate of this serial"), Some(control))]
            }
            (Err(failure), Ok(_)) => {
                let answer = self.unasked(failure);
                vec![self.observation(ProbeClass::Clock, &round, answer, Some(control))]
            }
        }
    }
}
