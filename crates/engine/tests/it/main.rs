//! The engine against real parts: SQLite, Cedar, PostgreSQL.
mod crash;
mod installation;
mod spine;
