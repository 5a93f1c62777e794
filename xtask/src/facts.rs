//! Versions and names that the development environment, the containers and the tests agree on.

/// The Keycloak release, the newest whose distribution is published as a Maven artifact.
pub const KEYCLOAK_VERSION: &str = "26.7.3";

/// SHA-256 of `keycloak-quarkus-dist-26.7.3.tar.gz`.
pub const KEYCLOAK_SHA256: &str =
    "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47";

/// What Keycloak is built with; everything else is set when it starts.
pub const KEYCLOAK_BUILD_OPTIONS: [&str; 3] = [
    "--db=postgres",
    "--health-enabled=true",
    "--metrics-enabled=true",
];

/// The realm, also the name of its file.
pub const REALM: &str = "task-exchange";

/// The password of every demo person.
pub const DEMO_PASSWORD: &str = "exchange-demo";

/// The mail catcher, also in `assets/mail/package.json`: the last release for Node 18.
pub const MAILDEV_VERSION: &str = "2.2.1";

/// The oldest Java that Keycloak runs on.
pub const JAVA_AT_LEAST: u32 = 17;

/// The oldest Node that the mail catcher and the browser tests run on.
pub const NODE_AT_LEAST: u32 = 18;

/// The oldest PostgreSQL that the services are written for.
pub const POSTGRES_AT_LEAST: u32 = 15;

/// The oldest RabbitMQ, as major and minor version.
pub const RABBITMQ_AT_LEAST: (u32, u32) = (3, 10);

/// Bytes of the largest frame of a RabbitMQ connection. The client library keeps 64 frames of memory for
/// each, and no message of this product is larger than a few kilobytes.
pub const RABBITMQ_FRAME_MAX: u32 = 32_768;

/// The test runner.
pub const NEXTEST_VERSION: &str = "0.9.151";

/// The three services, each a binary of the same name.
pub const SERVICES: [&str; 3] = ["auth-bridge", "tasks-service", "finance-service"];

/// The images of the servers of others in `compose.yaml`, by the name of the part; Keycloak's is
/// the base of a stage in the `Dockerfile`.
pub const IMAGES: [(&str, &str); 5] = [
    ("postgres", "postgres:17"),
    ("rabbitmq", "rabbitmq:4.0-management"),
    ("keycloak", "keycloak/keycloak:26.7.3"),
    ("mail", "maildev/maildev:2.2.1"),
    ("nginx", "nginx:1.28"),
];

/// The account of a service at the broker, with patterns of what it may write and what it may read; it
/// may declare nothing (DESIGN.md section 5).
#[derive(Debug, Clone, Copy)]
pub struct BrokerAccount {
    /// The account, also the name of its exchange.
    pub name: &'static str,
    /// Its own exchanges.
    pub write: &'static str,
    /// Its own queues, and the archives of those it listens to.
    pub read: &'static str,
}

/// The accounts of all services.
pub const BROKER_ACCOUNTS: [BrokerAccount; 3] = [
    BrokerAccount {
        name: "auth",
        write: r"^auth(\.in)?$",
        read: "^$",
    },
    BrokerAccount {
        name: "tasks",
        write: r"^tasks(\.in|\.queues)?$",
        read: r"^tasks\.(auth|finance)(\.dead|\.retry\..*)?$|^(auth|finance)\.archive$",
    },
    BrokerAccount {
        name: "finance",
        write: r"^finance(\.in|\.queues)?$",
        read: r"^finance\.(auth|tasks)(\.dead|\.retry\..*)?$|^(auth|tasks)\.archive$",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_the_versions_of_the_development_environment() {
        for (part, version) in [("keycloak", KEYCLOAK_VERSION), ("mail", MAILDEV_VERSION)] {
            let image = IMAGES.iter().find(|(name, _)| *name == part).unwrap().1;
            assert!(image.ends_with(&format!(":{version}")), "{image}");
        }
        let package = include_str!("../assets/mail/package.json");
        assert!(package.contains(&format!("\"maildev\": \"{MAILDEV_VERSION}\"")));
    }
}
