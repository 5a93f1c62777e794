//! Whom the board knows in the end depends neither on the order of the messages nor on their number:
//! every order is tried, on a person of their own each.

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use contracts::identity::{Role, UserChanged, UserCreated, UserDeleted};
use rand::{SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

use crate::support::{
    builders::id,
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
    let (mut sequences, mut messages) = (Vec::new(), 0);
    for (order, person) in permutations(history(Uuid::nil())?.len()).iter().zip(people) {
        let told = history(*person)?;
        messages += i64::try_from(told.len())?;
        sequences.push(told_in(order, &told, &mut rng));
    }
    tell(&board.broker, &interleaved(sequences, &mut rng)).await?;
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
