//! One folder per kind of plane behind the Connector port, and the sinks that
//! consumers read their credentials from.
//!
//! A connector observes and acts. It never decides whether to act, and never
//! says what a probe proves.
//!
//! | file | what every plane has from it |
//! | --- | --- |
//! | `pinned` `socket` `pool` | who answers, and connections that are kept |
//! | `config` `names` `said` | what a plan pins, native ids, what others said in one line |
//! | `attempt` `vantage` | what an attempt came to, and a look without its control |
//! | `coverage` | which actions a drill in the lab proved, and when last |

mod attempt;
pub mod aws;
mod config;
pub mod coverage;
pub mod file_sink;
mod http;
mod names;
pub mod oidc;
pub mod openbao;
pub mod openldap;
pub mod openssh;
mod pinned;
mod pool;
pub mod postgresql;
mod said;
mod socket;
mod vantage;
