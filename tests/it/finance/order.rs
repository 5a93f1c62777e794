//! What finance knows in the end depends neither on the order of the messages nor on their number:
//! every order is tried, on a task of its own each.

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use contracts::tasks::TaskChanged;
use rand::{SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

use crate::support::{
    builders::{assigned, completed, id, noon},
    finance::{Finance, Movement},
    orders::{Told, interleaved, permutations, tell, told_in},
};

const TITLE: &str = "Mend the roof";

/// A task and its two performers.
type Case = (Uuid, Uuid, Uuid);

/// What happened to the task, each under a message id of its own.
fn history((task, first, last): Case) -> Result<Vec<Told>> {
    let changed = |seconds| TaskChanged {
        task_uuid: task,
        timestamp: noon() + TimeDelta::seconds(seconds),
    };
    Ok(vec![
        Told::of(&assigned(task, first, 0))?,
        Told::of(&changed(5))?,
        Told::of(&assigned(task, last, 10))?,
        Told::of(&changed(15))?,
        Told::of(&completed(task, last, 20))?,
    ])
}

#[tokio::test]
async fn every_order_of_a_tasks_messages_leads_to_the_same_books_and_the_same_title() -> Result<()>
{
    let finance = Finance::start().await?;
    let mut rng = StdRng::seed_from_u64(11);
    let (mut cases, mut sequences) = (Vec::new(), Vec::new());
    for order in permutations(5) {
        let case = (id(), id(), id());
        finance.know_task(case.0, TITLE);
        sequences.push(told_in(&order, &history(case)?, &mut rng));
        cases.push(case);
    }
    tell(&finance.broker, &interleaved(sequences, &mut rng)).await?;
    finance.idle().await?;
    // With the message that shows that all are handled.
    finance.applied(5 * cases.len() + 1).await?;

    for (task, first, last) in &cases {
        let price = finance.price(*task).await?;
        let of_first = [Movement::fee(*task, *first, price.fee_cents, 0)];
        let of_last = [
            Movement::fee(*task, *last, price.fee_cents, 10),
            Movement::reward(*task, *last, price.reward_cents, 20),
        ];
        ensure!(finance.movements(*first).await? == of_first);
        ensure!(finance.movements(*last).await? == of_last);
        finance.until_title(*task, TITLE).await?;
    }
    ensure!(finance.parked().await?.is_empty());
    finance.finish().await
}
