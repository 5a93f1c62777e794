//! One confirmed publisher that does nothing else.

use std::collections::VecDeque;

use anyhow::{Result, ensure};
use contracts::topology::{Publisher, entrance};
use lapin::{
    Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};

use crate::{messages::Prepared, queue::Broker};

/// As many messages as the relay has under way: three batches.
const WINDOW: usize = 1_500;

/// A confirm channel.
#[derive(Debug)]
pub(crate) struct BarePublisher(Channel);

impl BarePublisher {
    pub(crate) async fn open(broker: &Broker) -> Result<Self> {
        let channel = broker.channel().await?;
        let options = ConfirmSelectOptions::default();
        channel.confirm_select(options).await?;
        Ok(Self(channel))
    }

    /// Sends everything to where the task board publishes and waits for every confirm.
    pub(crate) async fn publish(&self, messages: Vec<Prepared>) -> Result<()> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let exchange = entrance(Publisher::Tasks);
        let mut under_way = VecDeque::with_capacity(WINDOW);
        for message in messages {
            if under_way.len() == WINDOW {
                settle(&mut under_way).await?;
            }
            let sent = self.0.basic_publish(
                exchange.as_str().into(),
                message.key.into(),
                options,
                &message.body,
                message.properties,
            );
            under_way.push_back(sent.await?);
        }
        while !under_way.is_empty() {
            settle(&mut under_way).await?;
        }
        Ok(())
    }
}

async fn settle(under_way: &mut VecDeque<PublisherConfirm>) -> Result<()> {
    if let Some(confirm) = under_way.pop_front() {
        let answer = confirm.await?;
        ensure!(
            answer == Confirmation::Ack(None),
            "the broker refused a message"
        );
    }
    Ok(())
}
