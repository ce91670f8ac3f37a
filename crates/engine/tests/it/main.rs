//! The engine against real parts: SQLite, Cedar, PostgreSQL.
mod crash;
mod dying;
mod failover;
mod filing;
mod folding;
mod guards;
mod installation;
mod merging;
mod spine;
mod vault;
