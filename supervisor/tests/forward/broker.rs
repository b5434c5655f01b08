//! A plant that speaks Sparkplug: a Mosquitto from Debian, a watcher on the unmodified PyPI protobuf, and a machine that exports to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::plant::{Authority, Folder, Process, until};

/// A broker on loopback.
pub(crate) struct Broker {
    pub(crate) port: u16,
    config: String,
    process: Option<Process>,
}

/// Certificates of a plant: `broker`, `ours` and `host` of its authority, and what must be refused.
pub(crate) fn certificates(folder: &Folder) {
    let authority = Authority::new(folder, "ca");
    let stranger = Authority::new(folder, "stranger");
    for (name, expired) in [("broker", false), ("ours", false), ("host", false), ("expired", true)]
    {
        authority.sign(folder, name, expired);
    }
    stranger.sign(folder, "forged", false);
}

impl Broker {
    pub(crate) fn start(folder: &Folder, tls: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
        if tls {
            let path = |name: &str| folder.path(name);
            text = format!(
                "{text}cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
                path("ca.pem"),
                path("broker.pem"),
                path("broker.key")
            );
        }
        // As root it would become another user, who may not read the key.
        text.push_str("user root\nmax_queued_messages 0\n");
        let config = folder.path("broker.conf");
        std::fs::write(&config, text).unwrap();
        let mut broker = Self { port, config, process: None };
        broker.up();
        broker
    }

    pub(crate) fn up(&mut self) {
        let child = Command::new("mosquitto")
            .args(["-c", &self.config])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is there: apt-get install mosquitto");
        self.process = Some(Process(child));
        let port = self.port;
        until("the broker listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// As a power cut of it would: SIGKILL.
    pub(crate) fn down(&mut self) {
        self.process = None;
    }
}

/// What a third party's program hears, line by line.
pub(crate) struct Watcher {
    _process: Process,
    input: ChildStdin,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Watcher {
    /// `more`: its arguments behind the port.
    pub(crate) fn start(script: &str, port: u16, more: &[&str]) -> Self {
        let python = std::env::var("TACTUS_PYTHON").expect("TACTUS_PYTHON: ./test names it");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/third-party").join(script);
        let mut child = Command::new(python)
            .arg(path)
            .arg(port.to_string())
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                sink.lock().unwrap().push(line);
            }
        });
        Self { _process: Process(child), input, lines }
    }

    pub(crate) fn heard(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// How many messages there are of which this holds.
    pub(crate) fn count(&self, is: impl Fn(&Value) -> bool) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| is(line)).count()
    }

    pub(crate) fn of_kind(&self, kind: &str) -> usize {
        self.count(|line| {
            line["topic"].as_str().is_some_and(|it| it.split('/').nth(2) == Some(kind))
        })
    }

    pub(crate) fn ready(&self) {
        until("the watcher listens", || self.count(|line| line["topic"] == "subscribed") > 0);
    }

    pub(crate) fn publish(&mut self, message: &Value) {
        writeln!(self.input, "{message}").unwrap();
    }
}

/// Paths of authority, certificate and key.
pub(crate) fn paths(folder: &Folder, (ca, ours): (&str, &str)) -> [String; 3] {
    [format!("{ca}.pem"), format!("{ours}.pem"), format!("{ours}.key")].map(|it| folder.path(&it))
}

/// The one-axis machine as an edge node. `tls`: authority, and the name of our certificate; `more`: keys of the sink.
pub(crate) fn machine(
    folder: &Folder,
    name: &str,
    port: u16,
    tls: Option<(&str, &str)>,
    more: &str,
) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/one-axis.toml");
    let tls = tls.map_or(String::new(), |names| {
        let [ca, certificate, key] = paths(folder, names);
        format!("ca = \"{ca}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    });
    let text = format!(
        "{}\n[gateway]\nheartbeat = \"1 s\"\n\
         [[sink]]\nname = \"scada\"\nkind = \"mqtt\"\naddress = \"127.0.0.1:{port}\"\n{tls}{more}\n\
         [[export]]\nname = \"axes\"\nsignals = [\"axes.*\", \"loop.*\", \"drive.statusword\"]\n\
         sinks = [\"scada\"]\nrate = \"50 ms\"\nowner = \"maintenance\"\n\
         [[export]]\nname = \"stops\"\nevents = [\"*\"]\nsinks = [\"scada\"]\nclass = \"safety\"\n\
         owner = \"maintenance\"\n",
        std::fs::read_to_string(source).unwrap()
    );
    let path = folder.0.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}
