//! The real binary, driven over its API and its command line.

mod aws_contained;
mod bao_reuse;
mod cli_alone;
mod cli_contained;
mod cli_investigate;
mod cli_run;
mod cli_server;
mod console;
mod erased;
mod http_access;
mod http_alerts;
mod http_contained;
mod http_description;
mod http_durable;
mod http_queue;
mod http_secrets;
mod http_stream;
mod investigate_traces;
mod ldap_contained;
mod looked_after;
mod mapping;
mod population;
mod server;
mod ssh_contained;
