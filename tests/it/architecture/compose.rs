//! The containers of `compose.yaml` have the ports, settings and versions of the development environment.

use std::{collections::BTreeMap, io::Write as _, process::Command};

use auth_bridge::AuthBridge;
use platform::cli::Program as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use xtask::{
    facts::{self, BrokerAccount},
    parts::{
        Part,
        services::{migration_setting_names, setting_names},
    },
    ports::{DEVELOPMENT_BASE, Port, Ports},
};
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::workspace;

type Settings = BTreeMap<String, String>;

fn compose() -> Yaml {
    let text = workspace::read("compose.yaml");
    YamlLoader::load_from_str(&text)
        .expect("compose.yaml is YAML")
        .remove(0)
}

/// The settings of a container, merged as YAML's `<<` says.
fn environment(container: &str) -> Settings {
    merged(&compose()["services"][container]["environment"])
}

fn merged(mapping: &Yaml) -> Settings {
    let mut settings = Settings::new();
    for (name, value) in mapping.as_hash().expect("an environment is a mapping") {
        match (name.as_str().expect("a name is a text"), value) {
            ("<<", inherited) => settings.extend(merged(inherited)),
            (name, Yaml::Integer(number)) => {
                settings.insert(name.to_owned(), number.to_string());
            }
            (name, value) => {
                let value = value
                    .as_str()
                    .unwrap_or_else(|| panic!("{name} is a text or a number"));
                settings.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    settings
}

fn names(settings: &Settings) -> Vec<&str> {
    settings.keys().map(String::as_str).collect()
}

fn sorted(mut names: Vec<&'static str>) -> Vec<&'static str> {
    names.sort_unstable();
    names
}

#[test]
fn each_service_gets_the_same_settings_in_a_container_as_in_the_development_environment() {
    for service in Part::SERVICES {
        let served = setting_names(service);
        assert_eq!(
            names(&environment(service.name())),
            sorted(served.clone()),
            "{service}"
        );
        let migrated = [served, migration_setting_names(service)].concat();
        let container = format!("{service}-migrate");
        assert_eq!(
            names(&environment(&container)),
            sorted(migrated),
            "{container}"
        );
    }
}

/// Reads settings as the service itself would read them from its environment.
fn load<T: DeserializeOwned>(defaults: &str, prefix: &str, settings: &Settings) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    for (name, value) in settings {
        let path = name
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{name} starts with {prefix}"));
        let key = path.to_lowercase().replace("__", ".");
        writeln!(file, "{key} = {value:?}").expect("a temporary file can be written");
    }
    let loaded = platform::config::load::<T>(defaults, "NOT_SET_BY_ANYBODY_", Some(file.path()));
    if let Err(error) = loaded {
        panic!("{}", platform::errors::explain(&error));
    }
}

#[test]
fn each_service_understands_the_settings_of_its_container() {
    for suffix in ["", "-migrate"] {
        let of = |service: Part| environment(&format!("{service}{suffix}"));
        load::<auth_bridge::Config>(AuthBridge::DEFAULTS, "AUTH_", &of(Part::AuthBridge));
        let defaults = tasks_service::config::DEFAULTS;
        load::<tasks_service::config::Config>(defaults, "TASKS_", &of(Part::TasksService));
        let defaults = finance_service::config::DEFAULTS;
        load::<finance_service::config::Config>(defaults, "FINANCE_", &of(Part::FinanceService));
    }
}

#[test]
fn every_port_in_the_file_is_one_of_the_development_environment() {
    let ports = Ports::try_new(DEVELOPMENT_BASE).expect("the base port can be used");
    let known: Vec<u16> = Port::ALL.into_iter().map(|port| ports.of(port)).collect();
    let text = workspace::read("compose.yaml");
    let numbers = text
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse::<u16>().ok());
    let in_range =
        numbers.filter(|number| (DEVELOPMENT_BASE..DEVELOPMENT_BASE + 100).contains(number));
    let unknown: Vec<u16> = in_range.filter(|number| !known.contains(number)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn only_what_people_open_is_published_and_only_on_this_machine() {
    let ports = Ports::try_new(DEVELOPMENT_BASE).expect("the base port can be used");
    let opened = [
        Port::Nginx,
        Port::Keycloak,
        Port::RabbitmqManagement,
        Port::MailInbox,
    ];
    let expected = opened.map(|port| format!("{}:{}", ports.address(port), ports.of(port)));
    let compose = compose();
    let containers = compose["services"]
        .as_hash()
        .expect("the services are a mapping");
    let lists = containers
        .values()
        .filter_map(|container| container["ports"].as_vec());
    let published: Vec<&str> = lists.flatten().filter_map(Yaml::as_str).collect();
    assert_eq!(published, expected);
}

#[test]
fn containers_listen_where_the_settings_and_the_load_balancer_expect_them() {
    let ports = Ports::try_new(DEVELOPMENT_BASE).expect("the base port can be used");
    let address = |port: Port| ports.address(port);
    for (container, name, port) in [
        ("auth-bridge", "AUTH_API__LISTEN", Port::AuthApi),
        ("tasks-service", "TASKS_PAGES__LISTEN", Port::TasksPages),
        ("tasks-service", "TASKS_API__LISTEN", Port::TasksApi),
        (
            "finance-service",
            "FINANCE_PAGES__LISTEN",
            Port::FinancePages,
        ),
        ("finance-service", "FINANCE_API__LISTEN", Port::FinanceApi),
        ("nginx", "TASKS_PAGES", Port::TasksPages),
        ("nginx", "FINANCE_PAGES", Port::FinancePages),
    ] {
        assert_eq!(
            environment(container)[name],
            address(port),
            "{container}: {name}"
        );
    }
    let keycloak = environment("keycloak");
    assert_eq!(
        keycloak["KC_HTTP_PORT"],
        ports.of(Port::Keycloak).to_string()
    );
    assert_eq!(keycloak["KC_HOSTNAME"], ports.public_url(Port::Keycloak));
}

#[test]
fn the_realm_finds_every_value_it_has_a_place_for() {
    let realm = workspace::read(format!("keycloak/realm/{}-realm.json", facts::REALM));
    let keycloak = environment("keycloak");
    assert_eq!(keycloak["DEMO_PASSWORD"], facts::DEMO_PASSWORD);
    let places = realm
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name);
    let is_variable = |name: &&str| {
        name.chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_' || letter.is_ascii_digit())
    };
    let missing: Vec<&str> = places
        .filter(is_variable)
        .filter(|name| !keycloak.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Major and minor version in the tag of a container's image.
fn version_of(container: &str) -> (u32, u32) {
    let compose = compose();
    let image = compose["services"][container]["image"]
        .as_str()
        .expect("the container has an image");
    let (_, tag) = image
        .rsplit_once(':')
        .unwrap_or_else(|| panic!("{image} names its version"));
    let numbers = tag.split(['.', '-']).map_while(|part| part.parse().ok());
    let mut numbers = numbers.chain([0, 0]);
    (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    )
}

#[test]
fn images_have_versions_that_the_product_supports() {
    assert!(version_of("postgres").0 >= facts::POSTGRES_AT_LEAST);
    assert!(version_of("rabbitmq") >= facts::RABBITMQ_AT_LEAST);
    let dockerfile = workspace::read("Dockerfile");
    let keycloak = format!("FROM keycloak/keycloak:{} ", facts::KEYCLOAK_VERSION);
    assert!(
        dockerfile.contains(&keycloak),
        "the image of Keycloak is not {keycloak}"
    );
    let toolchain = workspace::read("rust-toolchain.toml");
    let channel = toolchain
        .split('"')
        .nth(1)
        .expect("the toolchain names its channel");
    assert!(
        dockerfile.contains(&format!("FROM rust:{channel}-")),
        "services are built with Rust {channel}"
    );
}

#[test]
fn the_broker_has_the_frames_of_the_development_environment() {
    let compose = compose();
    let configuration = compose["configs"]["rabbitmq"]["content"].as_str();
    let frames = format!("frame_max = {}", facts::RABBITMQ_FRAME_MAX);
    assert!(configuration.is_some_and(|text| text.lines().any(|line| line == frames)));
}

#[test]
fn the_broker_gives_services_the_rights_of_the_development_environment() {
    let compose = compose();
    let definitions = compose["configs"]["definitions"]["content"].as_str();
    // Two dollar signs stand for one.
    let definitions = definitions.expect("a text").replace("$$", "$");
    let definitions: Value = serde_json::from_str(&definitions).expect("definitions are JSON");
    let given = definitions["permissions"].as_array().expect("a list");
    for BrokerAccount { name, write, read } in facts::BROKER_ACCOUNTS {
        let right =
            json!({"user": name, "vhost": "/", "configure": "^$", "write": write, "read": read});
        assert!(given.contains(&right), "{right}");
    }
    assert_eq!(given.len(), facts::BROKER_ACCOUNTS.len() + 1);
}

#[test]
fn docker_accepts_the_file_where_it_is_installed() {
    let is_installed = Command::new("docker")
        .args(["compose", "version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_installed {
        return;
    }
    let output = Command::new("docker")
        .args(["compose", "config", "--quiet"])
        .current_dir(workspace::root())
        .output()
        .expect("docker runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
