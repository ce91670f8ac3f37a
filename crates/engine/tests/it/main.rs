//! The engine against real parts: SQLite, Cedar, PostgreSQL.
mod crash;
mod guards;
mod installation;
mod spine;
