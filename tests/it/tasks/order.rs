//! Whom the board knows in the end depends neither on the order of the messages nor on their number:
//! every order is tried, on a person of their own each.

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use contracts::identity::{Role, UserChanged, UserCreated, UserDeleted};
use migrations::Database;
use platform::{fetch, people};
use rand::{SeedableRng as _, rngs::StdRng};
use sea_orm::TransactionTrait as _;
use uuid::Uuid;

use crate::support::{
    builders::{id, noon},
    database::TestDatabase,
    orders::{Told, interleaved, permutations, tell, told_in},
    tasks::Board,
    waiting::until,
};

/// How many messages about people the board has heard.
async fn heard(board: &Board) -> Result<i64> {
    board
        .database
        .count("inbox", "consumer = 'tasks.auth'")
        .await
}

/// People whom the board knows, as many as three messages have orders.
async fn one_for_each_order_of_three(board: &Board) -> Result<Vec<Uuid>> {
    let mut people = Vec::new();
    for _ in permutations(3) {
        people.push(board.person(&[Role::Employee]).await?);
    }
    Ok(people)
}

/// Tells every order of a history, each of one of `people`, and waits until the board has heard it.
async fn tell_in_every_order(
    board: &Board,
    people: &[Uuid],
    history: impl Fn(Uuid) -> Result<Vec<Told>>,
) -> Result<()> {
    let before = heard(board).await?;
    let mut rng = StdRng::seed_from_u64(13);
    // Behind everything, also what is told again: the queue has one consumer, which goes by its order.
    let last = deleted(id(), noon())?;
    let (mut sequences, mut messages) = (Vec::new(), 1);
    for (order, person) in permutations(history(Uuid::nil())?.len()).iter().zip(people) {
        let told = history(*person)?;
        messages += i64::try_from(told.len())?;
        sequences.push(told_in(order, &told, &mut rng));
    }
    tell(&board.broker, &interleaved(sequences, &mut rng)).await?;
    tell(&board.broker, &[last]).await?;
    until("the board has heard everything", || async {
        Ok(heard(board).await? == before + messages)
    })
    .await?;
    until("nobody has to be fetched", || async {
        Ok(board.database.count("fetch_pending", "true").await? == 0)
    })
    .await
}

fn changed(user_id: Uuid, timestamp: DateTime<Utc>) -> Result<Told> {
    Told::of(&UserChanged { user_id, timestamp })
}

fn deleted(user_id: Uuid, timestamp: DateTime<Utc>) -> Result<Told> {
    Told::of(&UserDeleted { user_id, timestamp })
}

#[tokio::test]
async fn every_order_of_changes_leaves_what_the_bridge_says_under_the_newest_guard() -> Result<()> {
    let board = Board::start().await?;
    let people = one_for_each_order_of_three(&board).await?;
    let [first, second, third] = [board.tick(), board.tick(), board.tick()];
    for person in &people {
        board
            .peers
            .change_user(*person, |user| "Renamed".clone_into(&mut user.first_name));
    }
    tell_in_every_order(&board, &people, |person| {
        Ok(vec![
            changed(person, first)?,
            changed(person, second)?,
            changed(person, third)?,
        ])
    })
    .await?;

    let newest = format!(
        "first_name = 'Renamed' AND guard = '{}'",
        third.to_rfc3339()
    );
    ensure!(board.database.count("user_cache", &newest).await? == i64::try_from(people.len())?);
    board.finish().await
}

#[tokio::test]
async fn every_order_with_a_deletion_leaves_a_known_person_deleted() -> Result<()> {
    let board = Board::start().await?;
    let people = one_for_each_order_of_three(&board).await?;
    let [first, second, third] = [board.tick(), board.tick(), board.tick()];
    for person in &people {
        board.peers.forget_user(*person);
    }
    tell_in_every_order(&board, &people, |person| {
        Ok(vec![
            changed(person, first)?,
            changed(person, second)?,
            deleted(person, third)?,
        ])
    })
    .await?;

    ensure!(board.database.count("user_cache", "NOT is_deleted").await? == 0);
    ensure!(board.database.count("user_cache", "true").await? == i64::try_from(people.len())?);
    board.finish().await
}

#[tokio::test]
async fn every_order_with_a_deletion_leaves_nobody_alive_whom_the_bridge_does_not_know()
-> Result<()> {
    let board = Board::start().await?;
    let people: Vec<Uuid> = permutations(4).iter().map(|_| id()).collect();
    let [first, second, third, fourth] = [board.tick(), board.tick(), board.tick(), board.tick()];
    tell_in_every_order(&board, &people, |user_id| {
        let created = UserCreated {
            user_id,
            timestamp: first,
        };
        Ok(vec![
            Told::of(&created)?,
            changed(user_id, second)?,
            changed(user_id, third)?,
            deleted(user_id, fourth)?,
        ])
    })
    .await?;

    ensure!(board.database.count("user_cache", "NOT is_deleted").await? == 0);
    board.finish().await
}

#[tokio::test]
async fn whoever_forgets_one_note_and_then_writes_another_waits_for_both_before_taking_either()
-> Result<()> {
    let database = TestDatabase::create(Database::Tasks).await?;
    let (earlier, later) = (Uuid::from_u128(5), Uuid::from_u128(9));
    let note = "INSERT INTO fetch_pending (kind, entity_id, event_ts, next_at) \
                SELECT $1, note, $2, $2 FROM unnest($3::uuid[]) AS note";
    let note = sqlx::query(note).bind(people::KIND).bind(noon());
    let note = note.bind(vec![earlier, later]).execute(&database.owned);
    note.await?;
    let take = "SELECT FROM fetch_pending WHERE entity_id = $1 FOR UPDATE NOWAIT";
    let mut other = database.owned.begin().await?;
    sqlx::query(take).bind(earlier).execute(&mut *other).await?;

    let service = database.connect().await?;
    let txn = service.begin().await?;
    let gone = [later];
    let forgetting = fetch::forget(&txn, people::KIND, &gone, [earlier].into_iter());
    let taking = async {
        database.until_somebody_waits().await?;
        sqlx::query(take).bind(later).execute(&mut *other).await?;
        anyhow::Ok(other.commit().await?)
    };
    let (forgotten, taken) = tokio::join!(forgetting, taking);
    taken?;
    forgotten?;
    txn.commit().await?;
    let left = format!("entity_id = '{earlier}'");
    ensure!(database.count("fetch_pending", &left).await? == 1);
    ensure!(database.count("fetch_pending", "true").await? == 1);
    service.close().await?;
    database.remove().await
}
