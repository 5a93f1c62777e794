//! The issuer's documents in the service's own database, for a start while the issuer is away.
//!
//! They are as good as those in memory, which are kept however old as well.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult};
use serde_json::Value;

use crate::sql::{execute, statement};

/// What an issuer publishes about itself.
#[derive(Debug, Clone, PartialEq, FromQueryResult)]
pub(super) struct Documents {
    pub(super) discovery: Value,
    pub(super) keys: Value,
}

/// The table `issuer_document`.
#[derive(Debug)]
pub(super) struct Memory {
    db: DatabaseConnection,
}

impl Memory {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self { db }
    }

    /// What `issuer` published last, as far as any replica has seen.
    pub(super) async fn recall(&self, issuer: &str) -> Result<Option<Documents>, DbErr> {
        let sql = "SELECT discovery, keys FROM issuer_document WHERE issuer = $1";
        let values = [issuer.into()];
        Documents::find_by_statement(statement(sql, values))
            .one(&self.db)
            .await
    }

    /// Keeps what `issuer` publishes now.
    pub(super) async fn keep(
        &self,
        issuer: &str,
        documents: &Documents,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let sql = "INSERT INTO issuer_document (issuer, discovery, keys, fetched_at) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (issuer) DO UPDATE SET \
                   discovery = excluded.discovery, keys = excluded.keys, fetched_at = excluded.fetched_at";
        let values = [
            issuer.into(),
            documents.discovery.clone().into(),
            documents.keys.clone().into(),
            now.into(),
        ];
        execute(&self.db, sql, values).await.map(drop)
    }
}
