//! One environment: where its data lies, which ports and secrets are its own.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::{
    files,
    ports::{BENCH_BASE, DEVELOPMENT_BASE, FAULTS_BASE, FAULTS_BROKER_4_BASE, Ports, TEST_BASE},
    secrets::Secrets,
    state::State,
};

/// Which environment a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// The one people work with.
    Dev,
    /// The one `cargo xtask test` works with; all may run side by side.
    Test,
    /// Databases and a broker that the fault tests kill.
    Faults,
    /// The same with RabbitMQ 4 in a Debian folder of its own.
    FaultsBroker4,
    /// The one `cargo xtask bench` measures.
    Bench,
}

/// Which RabbitMQ an environment runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broker {
    /// The one that is installed on this machine.
    Installed,
    /// RabbitMQ 4.0 in a Debian of its own.
    #[value(name = "4")]
    Four,
}

impl Name {
    /// The folder under `target/`, also its name on the command line.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Test => "test",
            Self::Faults => "faults",
            Self::FaultsBroker4 => "faults-broker4",
            Self::Bench => "bench",
        }
    }

    const fn option(self) -> &'static str {
        match self {
            Self::Dev => "",
            Self::Test => " --env test",
            Self::Faults => " --env faults",
            Self::FaultsBroker4 => " --env faults-broker4",
            Self::Bench => " --env bench",
        }
    }

    pub(crate) const fn base_port(self) -> u16 {
        match self {
            Self::Dev => DEVELOPMENT_BASE,
            Self::Test => TEST_BASE,
            Self::Faults => FAULTS_BASE,
            Self::FaultsBroker4 => FAULTS_BROKER_4_BASE,
            Self::Bench => BENCH_BASE,
        }
    }
}

/// One environment.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) name: Name,
    pub(crate) checkout: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) ports: Ports,
    pub(crate) secrets: Secrets,
}

impl Environment {
    /// The environment as it was last used, or a new one.
    ///
    /// Ports are kept with the data, because addresses are part of it: the realm knows the
    /// origin. `base_port` is for a new environment, or the same as before.
    pub(crate) fn open(name: Name, base_port: Option<u16>) -> Result<Self> {
        let checkout = find_checkout()?;
        let folder = checkout.join("target").join(name.folder());
        files::create_folder(&folder.join("logs"))?;
        files::create_folder(&folder.join("run"))?;
        let kept = State::load(&folder)?.map(|state| state.base_port);
        if let (Some(kept), Some(wanted)) = (kept, base_port)
            && kept != wanted
        {
            bail!(
                "the data in {} belongs to base port {kept}: leave --base-port out, or forget the data with \
                 `cargo xtask down{} --wipe`",
                folder.display(),
                name.option()
            );
        }
        Ok(Self {
            name,
            ports: Ports::try_new(base_port.or(kept).unwrap_or(name.base_port()))?,
            secrets: Secrets::load_or_draw(&folder.join("secrets.json"))?,
            checkout,
            cache: cache_folder()?,
        })
    }

    /// Which RabbitMQ it runs.
    pub(crate) const fn broker(&self) -> Broker {
        match self.name {
            Name::FaultsBroker4 => Broker::Four,
            Name::Dev | Name::Test | Name::Faults | Name::Bench => Broker::Installed,
        }
    }

    /// What to add to a command so that it is about this environment.
    pub(crate) const fn option(&self) -> &'static str {
        self.name.option()
    }

    /// The folder in the checkout's `target`, wherever cargo builds.
    pub(crate) fn folder(&self) -> PathBuf {
        self.checkout.join("target").join(self.name.folder())
    }

    /// The folder that a part keeps its data in; not created here.
    pub(crate) fn data(&self, part: &str) -> PathBuf {
        self.folder().join(part)
    }

    /// What a part or a helper printed.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The folder with what every part printed.
    pub(crate) fn logs(&self) -> PathBuf {
        self.folder().join("logs")
    }

    /// What scripts and tests read while the environment is up.
    pub(crate) fn description(&self) -> PathBuf {
        self.folder().join("environment.json")
    }

    /// Waits until no other xtask changes this environment; the lock ends with the handle.
    pub(crate) fn lock(&self) -> Result<File> {
        lock(&self.folder().join("lock"))
    }
}

/// Takes an exclusive lock on a file that is made for it.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// The value of an environment variable, none when it is unset or empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where this tool reads its own environment"
    )]
    let value = env::var(name).ok();
    value.filter(|text| !text.is_empty())
}

/// Where downloads, tools and the built Keycloak are kept across checkouts.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let folder = match (
        variable("TASK_EXCHANGE_CACHE"),
        variable("XDG_CACHE_HOME"),
        variable("HOME"),
    ) {
        (Some(own), ..) => PathBuf::from(own),
        (_, Some(caches), _) => Path::new(&caches).join("task-exchange"),
        (_, _, Some(home)) => Path::new(&home).join(".cache/task-exchange"),
        _ => bail!("no place for downloads: set HOME or TASK_EXCHANGE_CACHE"),
    };
    files::create_folder(&folder)?;
    Ok(folder)
}

/// The nearest folder upwards that holds this tool.
fn find_checkout() -> Result<PathBuf> {
    let here = env::current_dir()
        .and_then(fs::canonicalize)
        .context("the current folder cannot be read")?;
    here.ancestors()
        .find(|folder| folder.join("xtask/Cargo.toml").is_file())
        .map(Path::to_path_buf)
        .context("run this inside a checkout of Task Exchange")
}
