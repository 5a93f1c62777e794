//! Rows of the bridge's database.

/// The copy of Keycloak's users.
pub(super) mod auth_user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "auth_user")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        pub username: String,
        pub email: Option<String>,
        pub first_name: String,
        pub last_name: String,
        pub roles: Vec<String>,
        pub is_enabled: bool,
        pub is_deleted: bool,
        pub changed_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Events that were acted upon.
pub(super) mod seen_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seen_event")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: String,
        pub happened_at: ChronoDateTimeUtc,
        pub is_settled: bool,
        pub read_again_user_id: Option<Uuid>,
        pub read_again_at: Option<ChronoDateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How far the copy is.
pub(super) mod sync_state {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sync_state")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub only_row: bool,
        pub term: i64,
        pub admin_events_at: Option<ChronoDateTimeUtc>,
        pub user_events_at: Option<ChronoDateTimeUtc>,
        pub as_of: Option<ChronoDateTimeUtc>,
        pub reconciled_at: Option<ChronoDateTimeUtc>,
        pub reconcile_due_at: Option<ChronoDateTimeUtc>,
        pub reconcile_reason: Option<String>,
        pub reconcile_event_at: Option<ChronoDateTimeUtc>,
        pub alarm: Option<String>,
        pub alarm_at: Option<ChronoDateTimeUtc>,
        pub alarm_missing: Option<i64>,
        pub alarm_known: Option<i64>,
        pub alarm_allowed: Option<i64>,
        pub accepted_deletions: Option<i64>,
        pub fault: Option<String>,
        pub fault_since: Option<ChronoDateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
