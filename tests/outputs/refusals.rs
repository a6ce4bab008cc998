//! What is wrong is said in one sentence, by `wayside config check` and `wayside output test`; secrets are never said.

use super::receivers::Certificates;
use super::{Running, find, free_port, listens, wait};
use crate::common::{err, out, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn config(folder: &Path, outputs: &str) -> String {
    let path = folder.join("wayside.toml");
    fs::write(&path, format!("[[interface]]\nname = \"lo\"\n{outputs}")).unwrap();
    path.to_string_lossy().into_owned()
}

fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn check(folder: &Path, outputs: &str) -> Output {
    run(&["config", "check", "-c", &config(folder, outputs)])
}

fn test(folder: &Path, outputs: &str) -> Output {
    run(&["output", "test", "soc", "-c", &config(folder, outputs)])
}

#[test]
fn a_wrong_key_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let output = check(folder.path(), &format!("[[output]]\nname = \"soc\"\n{text}"));
        assert_eq!(output.status.code(), Some(2), "{text}: {}", err(&output));
        let said = err(&output);
        said.trim_end().split_once("wayside.toml:").unwrap().1.to_owned()
    };
    assert_eq!(
        refused("to = \"file\"\npath = \"a\"\nformat = \"osf\""),
        "7: there is no format 'osf'; did you mean 'ocsf'?"
    );
    assert!(
        refused("to = \"kafka\"")
            .starts_with("5: to = \"kafka\" is not known; there are file, stdout, syslog, ")
    );
    assert_eq!(
        refused("to = \"syslog\""),
        "3: address is missing where to = \"syslog\"; write address = \"siem.example:514\""
    );
    assert_eq!(
        refused("to = \"stdout\"\nsubject = \"x\""),
        "6: subject means nothing where to = \"stdout\"; it is for nats"
    );
    assert_eq!(
        refused("to = \"stdout\"\nseverity = \"bad\""),
        "6: severity = \"bad\": low, medium, high or critical"
    );
    assert_eq!(refused("to = \"stdout\"\nformt = \"cef\""), "6: unknown key 'formt'; did you mean 'format'?");
    let text = "to = \"stdout\"\n[[output]]\nto = \"stdout\"\nname = \"soc\"";
    assert_eq!(refused(text), "8: there are two outputs 'soc'; give one another name");
    assert!(
        refused("to = \"http\"\nurl = \"https://a/\"\ntoken = \"abc\"")
            .starts_with("7: a secret does not stand in the configuration; write { file = ")
    );
    assert!(
        refused("to = \"http\"\nurl = \"ftp://a/\"").contains("it begins with neither https:// nor http://")
    );
    assert!(
        refused("to = \"syslog\"\naddress = \"a\"\nca = \"x\"")
            .starts_with("3: certificates are for transport")
    );
}

#[test]
fn what_cannot_be_reached_is_said_but_does_not_keep_the_sensor_from_watching() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let text = format!(
        "[[output]]\nname = \"soc\"\nto = \"syslog\"\ntransport = \"tcp\"\naddress = \"127.0.0.1:{port}\"\nprotocols = [\"modbs\"]\n\
         [[output]]\nname = \"elastic\"\nto = \"elasticsearch\"\nindex = \"x\"\nurl = \"https://no-such-host.invalid/_bulk\"\n\
         [[output]]\nname = \"token\"\nto = \"http\"\nurl = \"http://127.0.0.1:{port}/\"\ntoken = {{ file = \"open.txt\" }}\n\
         [[output]]\nname = \"file\"\nto = \"file\"\npath = \"nowhere/alerts.json\"\n"
    );
    fs::write(folder.path().join("open.txt"), "s3cret").unwrap();
    fs::set_permissions(folder.path().join("open.txt"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = check(folder.path(), &text);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    assert_eq!(
        lines[0],
        "wayside: the output 'soc' asks for the protocol 'modbs', which is not known; did you mean 'modbus'?"
    );
    assert!(
        lines[1].contains("'soc': 127.0.0.1:")
            && lines[1].contains("does not take connections (Connection refused)"),
        "{said}"
    );
    assert!(lines[2].contains("'elastic': the host 'no-such-host.invalid' is not known"), "{said}");
    assert!(lines[3].contains("'token': others can read ") && lines[3].contains("chmod 600"), "{said}");
    assert!(
        lines[4].contains("'file': cannot write ") && lines[4].contains("there is no such folder"),
        "{said}"
    );
    assert!(!said.contains("s3cret"));
}

/// A TLS server that answers HTTP with what openssl makes of it.
fn tls_server(certificates: &Certificates, test: &str) -> Option<(Running, u16)> {
    let program = find("openssl", test)?;
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["s_server", "-quiet", "-www", "-accept", &port.to_string()]);
    command.args(["-cert", &certificates.path("server.pem"), "-key", &certificates.path("server.key")]);
    let running = Running::start(&mut command);
    wait("openssl", || listens(port));
    Some((running, port))
}

#[test]
fn a_certificate_that_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (names, is_expired, with_ca, expected) in [
        (["localhost"], true, true, "the certificate of localhost:PORT has expired; renew it there"),
        (
            ["other.example"],
            false,
            true,
            "the certificate of localhost:PORT is for another name than localhost; correct the address, or add server-name",
        ),
        (
            ["localhost"],
            false,
            false,
            "the certificate of localhost:PORT is signed by nobody known here; add ca = \"ca.pem\" with who signs it",
        ),
    ] {
        let certificates = Certificates::new(&names, is_expired);
        let Some((_server, port)) = tls_server(&certificates, "wrong certificates") else { return };
        let ca = if with_ca { format!("ca = \"{}\"\n", certificates.path("ca.pem")) } else { String::new() };
        for to in [
            format!("to = \"http\"\nurl = \"https://localhost:{port}/\"\n{ca}"),
            format!("to = \"syslog\"\ntransport = \"tls\"\naddress = \"localhost:{port}\"\n{ca}"),
        ] {
            let text = format!("[[output]]\nname = \"soc\"\n{to}");
            let expected =
                format!("wayside: the output 'soc': {}\n", expected.replace("PORT", &port.to_string()));
            let output = check(folder.path(), &text);
            if !with_ca && err(&output).contains("this machine trusts no authority") {
                continue;
            }
            assert_eq!((output.status.code(), err(&output)), (Some(0), expected.clone()));
            let output = test(folder.path(), &text);
            assert_eq!((output.status.code(), err(&output)), (Some(1), expected));
        }
    }
    // The right one, by another name.
    let certificates = Certificates::new(&["other.example"], false);
    let Some((_server, port)) = tls_server(&certificates, "wrong certificates") else { return };
    let text = format!(
        "[[output]]\nname = \"soc\"\nto = \"syslog\"\ntransport = \"tls\"\naddress = \"localhost:{port}\"\nserver-name = \"other.example\"\nca = \"{}\"\n",
        certificates.path("ca.pem")
    );
    let output = check(folder.path(), &text);
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    // No TLS there at all.
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::Write as _;
        for mut stream in plain.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let text = format!(
        "[[output]]\nname = \"soc\"\nto = \"syslog\"\ntransport = \"tls\"\naddress = \"127.0.0.1:{port}\"\n"
    );
    let said = err(&check(folder.path(), &text));
    assert!(said.contains("does not speak TLS") || said.contains("trusts no authority"), "{said}");
}

#[test]
fn a_test_alert_says_what_came_back_and_never_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.json");
    let text =
        "[sensor]\nname = \"north\"\n[[output]]\nname = \"soc\"\nto = \"file\"\npath = \"alerts.json\"\n";
    let output = test(folder.path(), text);
    assert_eq!(out(&output), format!("the output 'soc': written to {}\n", file.display()));
    let alert: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(
        alert["summary"],
        "TEST of the output 'soc' of the sensor north: nothing happened in the plant."
    );
    let unknown = run(&["output", "test", "sco", "-c", &config(folder.path(), text)]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).ends_with("has no output 'sco'; did you mean 'soc'?\n"), "{}", err(&unknown));
    // A server that refuses the token, and repeats it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut some = [0; 4096];
            let _ = stream.read(&mut some);
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nwho are you?");
        }
    });
    secret(folder.path(), "token.txt", "s3cret-token");
    let text = format!(
        "[[output]]\nname = \"soc\"\nto = \"splunk\"\nurl = \"http://127.0.0.1:{port}/services/collector/event\"\ntoken = {{ file = \"token.txt\" }}\n"
    );
    let output = test(folder.path(), &text);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        format!(
            "wayside: the output 'soc': 127.0.0.1:{port} refuses the token (401 Unauthorized): who are you?; check it and its rights\n"
        )
    );
    let told = [out(&output), err(&output)].concat();
    assert!(!told.contains("s3cret"), "{told}");
}
