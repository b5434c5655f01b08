//! A plant: a NATS server from Debian, with certificates made here, and a machine that exports to it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::Value;

/// A folder that goes away with its test; others may look into it: the gateway has another user.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tactus-forward-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Ends with its test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An authority, and what it signs.
pub(crate) struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(folder: &Folder, name: &str) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // OpenSSL takes a certificate with the name of its authority for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.0.join(format!("{name}.pem")), certificate.pem()).unwrap();
        Self(Issuer::new(params, key))
    }

    /// `<name>.pem` and `<name>.key`, for 127.0.0.1.
    pub(crate) fn sign(&self, folder: &Folder, name: &str, expired: bool) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.0.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.0.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A NATS server with JetStream.
pub(crate) struct Hub {
    pub(crate) port: u16,
    config: String,
    process: Option<Process>,
}

impl Hub {
    pub(crate) fn start(folder: &Folder, tls: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| folder.path(name);
        let tls = match tls {
            true => format!(
                "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n",
                path("hub.pem"),
                path("hub.key"),
                path("ca.pem")
            ),
            false => String::new(),
        };
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{tls}",
            path("jetstream")
        );
        let config = path("hub.conf");
        std::fs::write(&config, text).unwrap();
        let mut hub = Self { port, config, process: None };
        hub.up();
        hub
    }

    pub(crate) fn up(&mut self) {
        let child = Command::new("nats-server")
            .args(["-c", &self.config])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is there: apt-get install nats-server");
        self.process = Some(Process(child));
        let port = self.port;
        until("the hub listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// As a power cut of the server would: SIGKILL.
    pub(crate) fn down(&mut self) {
        self.process = None;
    }
}

pub(crate) fn until(what: &str, done: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < patience, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The one-axis machine, exporting to the hub. `tls`: authority, and the name of our certificate.
pub(crate) fn machine(folder: &Folder, name: &str, port: u16, tls: Option<(&str, &str)>) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/one-axis.toml");
    let tls = tls.map_or(String::new(), |(ca, ours)| {
        format!(
            "ca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            folder.path(&format!("{ca}.pem")),
            folder.path(&format!("{ours}.pem")),
            folder.path(&format!("{ours}.key"))
        )
    });
    let text = format!(
        "{}\n[gateway]\nheartbeat = \"1 s\"\n\
         [[sink]]\nname = \"hub\"\nkind = \"nats\"\naddress = \"127.0.0.1:{port}\"\n{tls}\
         [[export]]\nname = \"axes\"\nsignals = [\"axes.*\", \"loop.*\"]\nsinks = [\"hub\"]\n\
         rate = \"10 ms\"\nowner = \"maintenance\"\n\
         [[export]]\nname = \"stops\"\nevents = [\"*\"]\nsinks = [\"hub\"]\nclass = \"safety\"\n\
         owner = \"maintenance\"\n",
        std::fs::read_to_string(source).unwrap()
    );
    let path = folder.0.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

pub(crate) fn tactus(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.current_dir(&folder.0).env("XDG_RUNTIME_DIR", &folder.0).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

pub(crate) fn run(folder: &Folder, machine: &str, time: &str) -> Process {
    let arguments =
        ["run", machine, "--headless", "--no-record", "--state", "state", "--for", time];
    let mut command = tactus(folder, &arguments);
    command.args(["--report", "report.json"]);
    let said = std::fs::OpenOptions::new().create(true).append(true).open(folder.0.join("said"));
    command.stderr(said.unwrap());
    Process(command.spawn().unwrap())
}

/// What a command prints, and its exit code.
pub(crate) fn answer(folder: &Folder, arguments: &[&str]) -> (i32, Value) {
    let output =
        tactus(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let json = serde_json::from_str(&text).unwrap_or_else(|wrong| {
        panic!("{wrong}: {text} {}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().unwrap(), json)
}

/// The gateway of a run.
pub(crate) fn gateway_of(run: u32) -> Option<i32> {
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"))?;
        let is = parent == Ok(run) && !state.contains('Z');
        is.then(|| entry.file_name().to_string_lossy().parse().ok()).flatten()
    })
}

/// The stream as a program that we did not write reads it: subject to (first, last, records) of each message.
pub(crate) fn stream(port: u16) -> Value {
    let python = std::env::var("TACTUS_PYTHON").expect("TACTUS_PYTHON names a Python; ./test does");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/third-party/read_stream.py");
    let output = Command::new(python)
        .arg(script)
        .args([&format!("nats://127.0.0.1:{port}"), "TACTUS"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
