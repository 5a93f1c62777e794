//! The table `replay`: how far a replay got. The broker keeps no places of readers for us.

use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

use crate::{
    consumer::ConsumerContext,
    prune::Kept,
    sources::Sources,
    sql::{execute, statement},
};

/// How long an interrupted replay may be gone on with. Later the same command means a new one, which is
/// to read everything.
const RESUMABLE: TimeDelta = TimeDelta::days(1);

/// Places that nobody came back to.
pub(crate) const KEPT: Kept = Kept {
    table: "replay",
    time: Duration::from_hours(30 * 24),
    sql: "DELETE FROM replay WHERE ctid = ANY(ARRAY(SELECT ctid FROM replay \
          WHERE updated_at < $1 LIMIT $2))",
};

/// The place of one replay.
#[derive(Debug)]
pub(super) struct Progress {
    db: DatabaseConnection,
    sources: Sources,
    queue: &'static str,
    plan: String,
    next_offset: Option<i64>,
}

impl Progress {
    /// Finds the place that an interrupted replay of the same plan left.
    pub(super) async fn find(
        context: &ConsumerContext,
        queue: &'static str,
        plan: String,
    ) -> Result<Self, DbErr> {
        let sql = "SELECT next_offset FROM replay \
                   WHERE queue = $1 AND plan = $2 AND updated_at > $3";
        let since = context.sources.now() - RESUMABLE;
        let statement = statement(sql, [queue.into(), plan.as_str().into(), since.into()]);
        let row = context.db.query_one_raw(statement).await?;
        let next_offset = row.map(|row| row.try_get_by_index(0)).transpose()?;
        if let Some(offset) = next_offset {
            tracing::info!(queue, plan, offset, "an interrupted replay goes on");
        }
        Ok(Self {
            db: context.db.clone(),
            sources: context.sources.clone(),
            queue,
            plan,
            next_offset,
        })
    }

    /// Where to go on; absent for a replay that begins.
    pub(super) fn next_offset(&self) -> Option<i64> {
        self.next_offset
    }

    /// Everything before `offset` is applied.
    pub(super) async fn reached(&mut self, offset: i64) -> Result<(), DbErr> {
        self.next_offset = Some(offset);
        let sql = "INSERT INTO replay (queue, plan, next_offset, started_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $4) ON CONFLICT (queue, plan) \
                   DO UPDATE SET next_offset = excluded.next_offset, updated_at = excluded.updated_at";
        let now = self.sources.now();
        let values = [
            self.queue.into(),
            self.plan.as_str().into(),
            offset.into(),
            now.into(),
        ];
        execute(&self.db, sql, values).await.map(drop)
    }

    /// Forgets the place: the same plan begins anew next time.
    pub(super) async fn finish(self) -> Result<(), DbErr> {
        let sql = "DELETE FROM replay WHERE queue = $1 AND plan = $2";
        let values = [self.queue.into(), self.plan.into()];
        execute(&self.db, sql, values).await.map(drop)
    }
}
