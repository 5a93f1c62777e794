# The images of the three services and of Keycloak with this realm and theme.
# One stage each: docker build --target tasks-service .

FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --package auth-bridge --package tasks-service --package finance-service \
    && mkdir /binaries \
    && cp target/release/auth-bridge target/release/tasks-service target/release/finance-service /binaries/

FROM debian:bookworm-slim AS service
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home service
USER service
CMD ["serve"]

FROM service AS auth-bridge
COPY --from=build /binaries/auth-bridge /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/auth-bridge"]

FROM service AS tasks-service
COPY --from=build /binaries/tasks-service /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/tasks-service"]

FROM service AS finance-service
COPY --from=build /binaries/finance-service /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/finance-service"]

FROM keycloak/keycloak:26.7.3 AS keycloak
RUN /opt/keycloak/bin/kc.sh build --db=postgres --health-enabled=true --metrics-enabled=true
COPY keycloak/theme/tx /opt/keycloak/themes/tx
COPY keycloak/realm/task-exchange-realm.json /opt/keycloak/data/import/
CMD ["start", "--optimized", "--import-realm"]
