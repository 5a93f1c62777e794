//! nginx in front of the two services with pages: one origin for people.

use anyhow::Result;

use super::{Context, clean_command};
use crate::{
    environment::Environment,
    files,
    ports::Port,
    process::{self, Wrapping},
};

/// The site; the nginx container of `compose.yaml` uses the same file.
const SITE: &str = include_str!("../../assets/nginx-site.conf.template");

/// Around the site. No temporary file is ever written: request bodies fit the buffer, and answers
/// are not spooled, so the unprivileged worker needs no folder.
const MAIN: &str = "\
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    include site.conf;
}
";

pub(super) fn start(context: &Context<'_>) -> Result<()> {
    let environment = context.environment;
    let folder = environment.data("nginx");
    files::create_folder(&folder.join("temp"))?;
    files::write(&folder.join("nginx.conf"), MAIN, 0o644)?;
    files::write(&folder.join("site.conf"), &site(environment), 0o644)?;
    let mut command = clean_command(&context.programs.nginx);
    command
        .args([
            "-e",
            "stderr",
            "-g",
            "daemon off;",
            "-c",
            "nginx.conf",
            "-p",
        ])
        .arg(&folder);
    process::start(environment, "nginx", &mut command, Wrapping::None)
}

fn site(environment: &Environment) -> String {
    let address = |port: Port| environment.ports.address(port);
    SITE.replace("${NGINX_LISTEN}", &address(Port::Nginx))
        .replace("${TASKS_PAGES}", &address(Port::TasksPages))
        .replace("${FINANCE_PAGES}", &address(Port::FinancePages))
}
