//! Helper programs that are run to their end: installers, downloads, builds.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::{console, failure::Failure, files, interrupt};

/// A quiet helper says that it is still at work after this long.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A helper program on behalf of a part.
#[derive(Debug)]
pub(crate) struct Helper {
    part: String,
    log: PathBuf,
    show: bool,
    foreground: bool,
}

impl Helper {
    /// A helper whose output goes to `log` only.
    pub(crate) fn quiet(part: &str, log: &Path) -> Self {
        Self {
            part: part.to_owned(),
            log: log.to_path_buf(),
            show: false,
            foreground: false,
        }
    }

    /// A helper whose output is shown line by line as well.
    pub(crate) fn shown(part: &str, log: &Path) -> Self {
        Self {
            show: true,
            ..Self::quiet(part, log)
        }
    }

    /// Lets the helper read from the terminal, for sudo's question.
    pub(crate) fn with_terminal(self) -> Self {
        Self {
            foreground: true,
            ..self
        }
    }

    /// Runs `command` to its end; `sentence` is what to say when it fails.
    ///
    /// # Errors
    /// The sentence with the end of the log; or that somebody asked to stop, after the helper and
    /// what it started were stopped.
    pub(crate) fn run(&self, command: &mut Command, sentence: &str) -> Result<()> {
        if self.finish(command)?.success() {
            return Ok(());
        }
        bail!(Failure::new(&self.part, sentence).with_log(&self.log))
    }

    fn finish(&self, command: &mut Command) -> Result<ExitStatus> {
        let log = new_log(&self.log)?;
        command.stdout(log.try_clone()?).stderr(log);
        if !self.foreground {
            command.stdin(Stdio::null()).process_group(0);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        let mut follower = Follower::open(&self.log)?;
        let mut last_sign = Instant::now();
        let started = Instant::now();
        loop {
            let status = child.try_wait()?;
            if self.show && follower.show_news(&self.part)? {
                last_sign = Instant::now();
            }
            if let Some(status) = status {
                return Ok(status);
            }
            if last_sign.elapsed() > HEARTBEAT {
                console::progress(
                    &self.part,
                    &format!("still at work after {} s", started.elapsed().as_secs()),
                );
                last_sign = Instant::now();
            }
            if let Err(stopped) = interrupt::tick() {
                self.end(&mut child);
                return Err(stopped);
            }
        }
    }

    /// Stops a helper and what it started, and waits for it.
    fn end(&self, child: &mut Child) {
        let id = i32::try_from(child.id()).map(Pid::from_raw);
        if let (false, Ok(group)) = (self.foreground, id) {
            let ended = [Signal::SIGTERM, Signal::SIGKILL]
                .into_iter()
                .any(|signal| {
                    // Fails only when the group has ended by itself.
                    killpg(group, signal).ok();
                    ends_soon(child)
                });
            if ended {
                return;
            }
        }
        // An installer in the terminal has seen Ctrl-C itself; packages are not left half-installed.
        child.wait().ok();
    }
}

/// Waits three seconds for the end of a program.
fn ends_soon(child: &mut Child) -> bool {
    (0..30).any(|_| {
        thread::sleep(interrupt::TICK);
        !matches!(child.try_wait(), Ok(None))
    })
}

/// Runs a program that speaks to the terminal itself; says whether it was content.
///
/// # Errors
/// When it cannot be started, or when somebody asked to stop.
pub(crate) fn run_visibly(command: &mut Command) -> Result<bool> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    Ok(wait(&mut child)?.success())
}

/// Waits for the end of a program, and ends it when somebody asks to stop.
///
/// Ctrl-C in the terminal reaches it anyway, a signal to this process alone does not.
pub(crate) fn wait(child: &mut Child) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if let Err(stopped) = interrupt::tick() {
            if let Ok(id) = i32::try_from(child.id()) {
                // Fails only when it has ended by itself.
                kill(Pid::from_raw(id), Signal::SIGTERM).ok();
            }
            child.wait()?;
            return Err(stopped);
        }
    }
}

/// Opens a log afresh.
pub(crate) fn new_log(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        files::create_folder(folder)?;
    }
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)
        .with_context(|| format!("cannot write the log {}", path.display()))?;
    // Appending, so that two processes that share the log do not write over each other.
    OpenOptions::new()
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write the log {}", path.display()))
}

/// Reads what is added to a log.
struct Follower {
    file: File,
    unfinished: String,
}

impl Follower {
    fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self {
            file,
            unfinished: String::new(),
        })
    }

    /// Shows the whole lines that were added, and says whether there were any.
    fn show_news(&mut self, part: &str) -> Result<bool> {
        let mut added = Vec::new();
        self.file.read_to_end(&mut added)?;
        self.unfinished.push_str(&String::from_utf8_lossy(&added));
        let Some((whole, rest)) = self.unfinished.rsplit_once('\n') else {
            return Ok(false);
        };
        for line in whole.lines().filter(|line| !line.trim().is_empty()) {
            console::progress(part, line.trim_end());
        }
        self.unfinished = rest.to_owned();
        Ok(true)
    }
}

/// Runs a program that answers at once and returns what it prints, none when it cannot.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
