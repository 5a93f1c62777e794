//! The mail catcher: takes every mail, delivers none, shows them in a web inbox.

use anyhow::Result;

use super::{Context, clean_command};
use crate::{
    files, node_modules,
    ports::Port,
    process::{self, Wrapping},
};

pub(super) fn start(context: &Context<'_>) -> Result<()> {
    let environment = context.environment;
    let mails = environment.data("mail");
    files::create_folder(&mails)?;
    let program = node_modules::mail_catcher(environment)?.join("node_modules/maildev/bin/maildev");
    let port = |port: Port| environment.ports.of(port).to_string();
    let mut command = clean_command("node");
    command
        .arg(program)
        .args([
            "--ip",
            "127.0.0.1",
            "--smtp",
            &port(Port::Smtp),
            "--web",
            &port(Port::MailInbox),
        ])
        .arg("--mail-directory")
        .arg(mails);
    process::start(environment, "mail", &mut command, Wrapping::None)
}
