//! The interface documents: `OpenAPI` 3.1 for each service's REST, `AsyncAPI` 3.0 for all messages (DESIGN.md section 5).

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    SCHEMA_VERSION,
    rest::{ROUTES, Route},
    schemas,
    topology::{CONSUMER_QUEUES, ConsumerQueue, Publisher, entrance_of_key},
};

/// A document and the name of its file in `documents/`.
#[derive(Debug)]
pub struct Document {
    /// The name of the file.
    pub file: String,
    /// Its content.
    pub content: Value,
}

/// All interface documents.
#[must_use]
pub fn documents() -> Vec<Document> {
    let rest = Publisher::ALL
        .into_iter()
        .filter_map(openapi)
        .chain([asyncapi()]);
    rest.collect()
}

/// The REST interface of one service; nothing for a service without routes for machines.
fn openapi(service: Publisher) -> Option<Document> {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES.iter().filter(|route| route.service == service) {
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            let operation = operation(route, &mut generator);
            operations.insert(route.method.name().to_owned(), operation);
        }
    }
    if paths.is_empty() {
        return None;
    }
    let name = service.exchange();
    let content = json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("{name}: the interface for machines"),
            "description": "Only machine tokens with the audience of the service and the scope of the route are \
                let in. Errors are problem details (RFC 9457).",
            "version": SCHEMA_VERSION.to_string(),
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": {
                "Problem": {
                    "description": "Why not: 400 unreadable, 401 no valid token, 403 a person's token or no \
                        such scope, 404 no such record, 409 the state is another by now, 429 too many calls, 503 not now; 429 and 503 come \
                        with Retry-After.",
                    "content": { "application/problem+json": { "schema": problem() } },
                },
            },
            "securitySchemes": {
                "machine": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    });
    Some(Document {
        file: format!("openapi.{name}.json"),
        content,
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let in_path = parameters_of(route.path).map(|name| {
        json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "format": "uuid" },
        })
    });
    let in_query = route.query.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "description": parameter.description,
            "schema": (parameter.schema)(generator),
        })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut operation = Map::new();
    let mut say = |name: &str, value: Value| operation.insert(name.to_owned(), value);
    say("operationId", operation_id(route).into());
    say("summary", route.summary.into());
    say(
        "description",
        format!("Needs the scope `{}`.", route.scope).into(),
    );
    say("security", json!([{ "machine": [] }]));
    say("parameters", parameters.into());
    if let Some(request) = route.request {
        let content = json_content(&request(generator).to_value());
        say(
            "requestBody",
            json!({ "required": true, "content": content }),
        );
    }
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let responses = match route.answer {
        Some(answer) => {
            let content = json_content(&answer(generator).to_value());
            json!({
                "200": { "description": route.summary, "content": content },
                "default": problem,
            })
        }
        None => json!({ "204": { "description": "It is noted." }, "default": problem }),
    };
    say("responses", responses);
    operation.into()
}

fn json_content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn parameters_of(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The path in words: `GET /users/{user_id}` is `get_users_user_id`.
fn operation_id(route: &Route) -> String {
    let words = route.path.replace(['/', '-'], "_").replace(['{', '}'], "");
    format!("{}{words}", route.method.name())
}

/// Every message: who sends it, where, and which queues take it.
fn asyncapi() -> Document {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for message in schemas() {
        let key = message.key;
        let Some(publisher) = publisher_of(key) else {
            continue;
        };
        channels.insert(key.to_owned(), channel(key, publisher));
        messages.insert(key.to_owned(), message_of(key, &message.schema));
        let sender = format!("{}.sends.{key}", publisher.exchange());
        operations.insert(sender, operation_on("send", key, None));
        for queue in CONSUMER_QUEUES.into_iter().filter(|queue| queue.takes(key)) {
            let receiver = format!("{}.receives.{key}", queue.consumer.exchange());
            operations.insert(receiver, operation_on("receive", key, Some(queue)));
        }
    }
    let content = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Task Exchange: the messages between its services",
            "version": SCHEMA_VERSION.to_string(),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    });
    Document {
        file: "asyncapi.json".to_owned(),
        content,
    }
}

fn publisher_of(key: &str) -> Option<Publisher> {
    let service = key.split('.').next()?;
    Publisher::ALL
        .into_iter()
        .find(|publisher| publisher.exchange() == service)
}

fn channel(key: &str, publisher: Publisher) -> Value {
    json!({
        "address": key,
        "messages": { key: { "$ref": format!("#/components/messages/{key}") } },
        "bindings": { "amqp": {
            "is": "routingKey",
            "exchange": {
                "name": publisher.exchange(), "type": "topic", "durable": true,
                "autoDelete": false, "vhost": "/",
            },
            "bindingVersion": "0.3.0",
        } },
    })
}

fn operation_on(action: &str, key: &str, queue: Option<ConsumerQueue>) -> Value {
    let summary = queue.map_or_else(
        || {
            let entrance = entrance_of_key(key);
            format!("To the fanout `{entrance}`, persistent, with publisher confirms.")
        },
        |queue| format!("Through the quorum queue `{}`.", queue.name),
    );
    json!({
        "action": action,
        "summary": summary,
        "channel": { "$ref": format!("#/channels/{key}") },
    })
}

fn message_of(key: &str, payload: &Value) -> Value {
    json!({
        "name": key,
        "title": payload.get("title"),
        "summary": payload.get("description"),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {
                "schema_version": { "type": "integer", "description": "The version of the body." },
                "traceparent": { "type": "string", "description": "W3C Trace Context of what caused it." },
            },
        },
        "bindings": { "amqp": {
            "contentEncoding": "utf-8", "messageType": key, "bindingVersion": "0.3.0",
        } },
        "payload": payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Method;

    #[test]
    fn every_route_has_an_operation_of_its_own() {
        let operations: std::collections::HashSet<_> = ROUTES
            .iter()
            .map(|route| (route.service.exchange(), operation_id(route)))
            .collect();
        assert_eq!(operations.len(), ROUTES.len());
    }

    #[test]
    fn a_posted_body_is_documented_and_a_read_has_none() {
        for route in ROUTES {
            assert_eq!(route.request.is_some(), route.method == Method::Post);
        }
    }
}
