//! The engine against real parts: SQLite, Cedar, PostgreSQL.
mod by_hand;
mod compare;
mod context;
mod crash;
mod dying;
mod failover;
mod filing;
mod folding;
mod guards;
mod health;
mod installation;
mod merging;
mod notices;
mod ownership;
mod spine;
mod vault;
