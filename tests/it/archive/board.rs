//! Tasks replays people of the auth bridge and prices of Finance, and proves that it has all of them.

use std::process::ExitCode;

use anyhow::Result;
use contracts::{
    Message,
    identity::{Role, UserChanged, UserDeleted},
    topology::{ConsumerQueue, TASKS_AUTH, TASKS_FINANCE},
};
use platform::{
    maintenance::{ConciliateOptions, Maintenance},
    replay::{ReplayOptions, Source},
};
use uuid::Uuid;

use super::{replay, sender::Sender};
use crate::support::{
    builders::{id, priced},
    tasks::Board,
    waiting::until,
};

/// Compares the hours up to the present one.
const COMPARE: ConciliateOptions = ConciliateOptions {
    days: 1,
    unsettled: true,
    heal: false,
};

/// The same, and applies what is missing.
const HEAL: ConciliateOptions = ConciliateOptions {
    heal: true,
    ..COMPARE
};

/// What the board was told and keeps: somebody who was created and changed, and a price.
async fn person_and_price(board: &Board) -> Result<()> {
    let user_id = board.person(&[Role::Employee]).await?;
    let timestamp = board.tick();
    board.peers.change_user(user_id, |user| {
        user.changed_at = timestamp;
        "Renamed".clone_into(&mut user.first_name);
    });
    let changed = UserChanged { user_id, timestamp };
    board.broker.publish(&changed).await?;
    let price = priced(id(), 0);
    board.broker.publish(&price).await?;
    let person = format!(
        "user_id = '{user_id}' AND first_name = 'Renamed' AND guard = '{}'",
        timestamp.to_rfc3339()
    );
    let price = format!("task_id = '{}'", price.task_uuid);
    until("the board knows both", || async {
        Ok(board.database.count("user_cache", &person).await? == 1
            && board.database.count("price_cache", &price).await? == 1)
    })
    .await
}

/// The rows of both caches, but for the time at which people were fetched.
async fn cached(board: &Board) -> Result<Vec<String>> {
    let query = "SELECT (to_jsonb(person) - 'fetched_at')::text AS row FROM user_cache person UNION ALL \
                 SELECT to_jsonb(price)::text FROM price_cache price ORDER BY row";
    Ok(sqlx::query_scalar(query)
        .fetch_all(&board.database.owned)
        .await?)
}

/// What became of every message that the board has heard.
async fn heard(board: &Board) -> Result<Vec<String>> {
    let query =
        "SELECT format('%s %s %s', consumer, message_id, outcome) AS row FROM inbox ORDER BY row";
    Ok(sqlx::query_scalar(query)
        .fetch_all(&board.database.owned)
        .await?)
}

/// Replays, and waits until everybody is fetched whom that calls for.
async fn replayed(board: &Board, options: ReplayOptions) -> Result<()> {
    let code = board.maintain(Maintenance::Replay(options)).await?;
    assert_eq!(code, ExitCode::SUCCESS);
    until("nobody has to be fetched", || async {
        Ok(board.database.count("fetch_pending", "true").await? == 0)
    })
    .await
}

#[tokio::test]
async fn both_archives_rebuild_the_caches_when_asked_to_and_nothing_is_heard_twice() -> Result<()> {
    let board = Board::start().await?;
    for _ in 0..3 {
        person_and_price(&board).await?;
    }
    let (rows, messages) = (cached(&board).await?, heard(&board).await?);
    assert_eq!((rows.len(), messages.len()), (6, 9));
    sqlx::raw_sql("DELETE FROM user_cache; DELETE FROM price_cache")
        .execute(&board.database.owned)
        .await?;

    replayed(&board, replay::options()).await?;
    assert_eq!(cached(&board).await?, Vec::<String>::new());
    let again = ReplayOptions {
        again: true,
        ..replay::options()
    };
    for _ in 0..2 {
        replayed(&board, again.clone()).await?;
        assert_eq!(cached(&board).await?, rows);
        assert_eq!(heard(&board).await?, messages);
    }
    board.finish().await
}

#[tokio::test]
async fn the_auth_bridge_rebuilds_people_as_they_were_and_prices_are_left() -> Result<()> {
    let board = Board::start().await?;
    for _ in 0..3 {
        person_and_price(&board).await?;
    }
    let (rows, messages) = (cached(&board).await?, heard(&board).await?);
    sqlx::query("DELETE FROM user_cache")
        .execute(&board.database.owned)
        .await?;
    let rebuild = ReplayOptions {
        source: Source::Rest,
        ..replay::options()
    };
    for _ in 0..2 {
        replayed(&board, rebuild.clone()).await?;
        assert_eq!(cached(&board).await?, rows);
        assert_eq!(heard(&board).await?, messages);
    }
    board.finish().await
}

/// How many deletions and prices the board knows.
async fn known(board: &Board) -> Result<(i64, i64)> {
    let deleted = board.database.count("user_cache", "is_deleted").await?;
    Ok((deleted, board.database.count("price_cache", "true").await?))
}

#[tokio::test]
async fn a_replay_of_both_archives_applies_what_never_arrived_and_nothing_twice() -> Result<()> {
    let mut board = Board::start().await?;
    let user_id = board.person(&[Role::Employee]).await?;
    board.stop().await;
    let timestamp = board.tick();
    let deleted = UserDeleted { user_id, timestamp };
    board.broker.publish(&deleted).await?;
    board.broker.publish(&priced(id(), 0)).await?;
    for queue in [TASKS_AUTH, TASKS_FINANCE] {
        board.broker.lose_one(queue.name).await?;
    }
    board.resume().await?;
    assert_eq!(known(&board).await?, (0, 0));

    replayed(&board, replay::options()).await?;
    assert_eq!(known(&board).await?, (1, 1));
    let (rows, messages) = (cached(&board).await?, heard(&board).await?);
    assert_eq!(messages.len(), 3);
    replayed(&board, replay::options()).await?;
    assert_eq!(cached(&board).await?, rows);
    assert_eq!(heard(&board).await?, messages);
    board.finish().await
}

/// The sender of `queue` sends messages of which the first never reaches the board.
async fn send_all_but_one<M: Message + Sync>(
    board: &mut Board,
    queue: ConsumerQueue,
    messages: &[M],
) -> Result<Sender> {
    let sender = Sender::start_as(queue.source, &board.broker, &board.clock).await?;
    board.peers.serve_sent(&sender.db);
    board.stop().await;
    for message in messages {
        sender.send(message).await?;
    }
    board.broker.lose_one(queue.name).await?;
    board.resume().await?;
    let arrived = format!("consumer = '{}' AND routing_key = '{}'", queue.name, M::KEY);
    let others = i64::try_from(messages.len())? - 1;
    until("the others have arrived", || async {
        Ok(board.database.count("inbox", &arrived).await? == others)
    })
    .await?;
    Ok(sender)
}

/// Compares by hand, and answers what was found of `queue`: sent, applied, missing.
async fn compare(
    board: &Board,
    queue: ConsumerQueue,
    options: ConciliateOptions,
) -> Result<(ExitCode, (i64, i64, i64))> {
    let code = board.maintain(Maintenance::Conciliate(options)).await?;
    let query = "SELECT sent, applied, missing FROM conciliation WHERE queue = $1";
    let found = sqlx::query_as(query)
        .bind(queue.name)
        .fetch_one(&board.database.owned)
        .await?;
    Ok((code, found))
}

/// Loses the first of three messages of that sender, which the comparison finds and healing brings, once.
/// `known` is what [`known`] answers without it and with it.
async fn lose_find_and_heal<M: Message + Sync>(
    mut board: Board,
    queue: ConsumerQueue,
    messages: [M; 3],
    [without, with]: [(i64, i64); 2],
) -> Result<()> {
    let sender = send_all_but_one(&mut board, queue, &messages).await?;
    assert_eq!(known(&board).await?, without);

    let found = compare(&board, queue, COMPARE).await?;
    assert_eq!(found, (ExitCode::FAILURE, (3, 2, 1)));
    assert_eq!(known(&board).await?, without);
    for _ in 0..2 {
        let found = compare(&board, queue, HEAL).await?;
        assert_eq!(found, (ExitCode::SUCCESS, (3, 3, 0)));
        assert_eq!(known(&board).await?, with);
    }
    sender.finish().await?;
    board.finish().await
}

#[tokio::test]
async fn a_deletion_of_the_auth_bridge_that_was_lost_is_found_and_healed() -> Result<()> {
    let board = Board::start().await?;
    let mut people = [Uuid::nil(); 3];
    // The bridge goes on to show them, so that only the messages tell that they are gone.
    for person in &mut people {
        *person = board.person(&[Role::Employee]).await?;
    }
    let deletions = people.map(|user_id| UserDeleted {
        user_id,
        timestamp: board.tick(),
    });
    lose_find_and_heal(board, TASKS_AUTH, deletions, [(2, 0), (3, 0)]).await
}

#[tokio::test]
async fn a_price_of_finance_that_was_lost_is_found_and_healed() -> Result<()> {
    let board = Board::start().await?;
    let prices = [0, 1, 2].map(|seconds| priced(id(), seconds));
    lose_find_and_heal(board, TASKS_FINANCE, prices, [(0, 2), (0, 3)]).await
}
