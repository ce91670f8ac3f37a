//! The engine against real parts: SQLite, Cedar, PostgreSQL.
mod installation;
mod spine;
