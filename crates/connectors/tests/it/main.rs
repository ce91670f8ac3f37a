//! The connectors against real servers of the lab.

mod act;
mod any_plane;
mod aws;
mod bootstrap;
mod coverage;
mod enumerate;
mod false_death;
mod file_sink;
mod hostile;
mod identify;
mod oidc;
mod openbao;
mod openldap;
mod openssh;
mod plane;
mod probe;
mod race;
mod secrets;
mod slow;
mod twin;
mod undo;
