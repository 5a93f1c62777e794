//! People who log in by an identity provider that the realm trusts, such as the one of their company.

use anyhow::{Context as _, Result};
use contracts::{
    Message as _,
    identity::{UserChanged, UserCreated},
};
use serde_json::{Value, json};

use super::{
    own::{OwnBridge, QUICK},
    watched::{find, roles_of_ours, username},
};
use crate::support::{
    browser::{Browser, Page},
    environment::{Login, environment},
    keycloak::{Keycloak, Server},
    person::entrance,
    realm::{SECRET, TestRealm},
    waiting::until,
};

/// The company's name in our realm, and ours in the company's.
const COMPANY: &str = "company";
const CLIENT: &str = "task-exchange";

/// A realm of the same Keycloak stands for the company's provider.
struct Company {
    name: String,
    person: Login,
}

impl Company {
    /// It has one person, of whom it tells the address and the first name only.
    async fn open() -> Result<Self> {
        let person = Login {
            username: username(),
            password: username(),
        };
        let company = Self {
            name: username(),
            person,
        };
        let description = json!({
            "realm": company.name,
            "enabled": true,
            "clients": [{
                "clientId": CLIENT,
                "secret": SECRET,
                "redirectUris": [format!("{}/realms/*", environment().keycloak_url)],
                "defaultClientScopes": ["basic", "email"],
                "protocolMappers": [{
                    "name": "first name",
                    "protocol": "openid-connect",
                    "protocolMapper": "oidc-usermodel-attribute-mapper",
                    "config": {
                        "user.attribute": "firstName",
                        "claim.name": "given_name",
                        "id.token.claim": "true",
                        "userinfo.token.claim": "true",
                    },
                }],
            }],
            "users": [{
                "username": company.person.username,
                "email": company.address(),
                "emailVerified": true,
                "firstName": "First",
                "lastName": "Untold",
                "enabled": true,
                "credentials": [{"type": "password", "value": company.person.password}],
            }],
        });
        Keycloak::import_realm(&Server::shared(), &description).await?;
        Ok(company)
    }

    async fn close(self) -> Result<()> {
        Keycloak::log_in_at(&self.name).await?.delete_realm().await
    }

    fn address(&self) -> String {
        format!("{}@example.org", self.person.username)
    }

    /// What a realm needs to trust the company: with each login it takes the first name over.
    fn trusted(&self) -> Value {
        let issuer = format!("{}/realms/{}", environment().keycloak_url, self.name);
        let protocol = format!("{issuer}/protocol/openid-connect");
        json!({
            "identityProviders": [{
                "alias": COMPANY,
                "providerId": "oidc",
                "trustEmail": true,
                "config": {
                    "issuer": issuer,
                    "authorizationUrl": format!("{protocol}/auth"),
                    "tokenUrl": format!("{protocol}/token"),
                    "jwksUrl": format!("{protocol}/certs"),
                    "useJwksUrl": "true",
                    "validateSignature": "true",
                    "clientId": CLIENT,
                    "clientSecret": SECRET,
                    "clientAuthMethod": "client_secret_post",
                    "defaultScope": "openid",
                },
            }],
            "identityProviderMappers": [{
                "name": "first name",
                "identityProviderAlias": COMPANY,
                "identityProviderMapper": "oidc-user-attribute-idp-mapper",
                "config": {
                    "syncMode": "FORCE",
                    "claim": "given_name",
                    "user.attribute": "firstName",
                },
            }],
        })
    }

    /// Logs the person in to `realm` with the company's password, as far as no form has to be filled in there.
    async fn log_in(&self, browser: &Browser, realm: &TestRealm) -> Result<Page> {
        let address = entrance(&realm.name, "auth", &[("kc_idp_hint", COMPANY)])?;
        browser.log_in_at(&address, &self.person).await
    }
}

/// Fills in what the company did not tell, as the realm asks for at the first login.
async fn introduce(company: &Company, realm: &TestRealm) -> Result<()> {
    let browser = Browser::new()?;
    let form = company.log_in(&browser, realm).await?;
    let address = company.address();
    let fields = [
        ("username", company.person.username.as_str()),
        ("email", &address),
        ("firstName", "First"),
        ("lastName", "Filled In"),
    ];
    let answer = browser.submit(&form, &fields).await?;
    let page = browser.follow_from(answer).await?;
    assert!(page.url.path().ends_with("/account/"), "{}", page.body);
    Ok(())
}

/// The company gives its person another name, which our realm hears of when they log in.
async fn rename(company: &Company, realm: &TestRealm) -> Result<()> {
    let keycloak = Keycloak::log_in_at(&company.name).await?;
    let person = find(&keycloak, &company.person.username).await?;
    let name = json!({"firstName": "Renamed"});
    keycloak.change_person(person, &name).await?;
    let page = company.log_in(&Browser::new()?, realm).await?;
    assert!(page.url.path().ends_with("/account/"), "{}", page.body);
    Ok(())
}

#[tokio::test]
async fn a_first_login_by_another_provider_is_told_of_by_its_event_and_a_later_name_is_compared()
-> Result<()> {
    let company = Company::open().await?;
    let realm = TestRealm::import_with(&company.trusted()).await?;
    let mut bridge = OwnBridge::open(&realm.name, QUICK).await?;
    let compared_at = bridge.state().await?.compared_at;

    introduce(&company, &realm).await?;
    let person = find(&realm.log_in().await?, &company.person.username).await?;
    let message = bridge.next_about(person).await?.body::<UserCreated>()?;
    let registered_at = realm.event_time(person, "REGISTER").await?;
    assert_eq!(message.timestamp(), registered_at);
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.last_name, "Filled In");
    assert_eq!(roles_of_ours(&told), ["employee"]);

    // Or a look that reads people of recent events once more would meet the new name.
    until("nobody is read again", || async {
        let is_read_again = "NOT is_settled OR read_again_at IS NOT NULL";
        Ok(bridge.database.count("seen_event", is_read_again).await? == 0)
    })
    .await?;
    rename(&company, &realm).await?;
    // Everything up to another person's event has been read, and nothing told of the new name.
    let other = realm.log_in().await?.create_person(&username()).await?;
    bridge.next_about(other).await?.body::<UserCreated>()?;
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.first_name, "First");
    assert_eq!(bridge.state().await?.compared_at, compared_at);

    let state = bridge.compare().await?;
    let message = bridge.next_about(person).await?.body::<UserChanged>()?;
    assert!(message.timestamp() > registered_at && Some(message.timestamp()) <= state.compared_at);
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.first_name, "Renamed");
    assert_eq!(bridge.rest().await?.len(), 0, "one message each");
    bridge.remove().await?;
    realm.remove().await?;
    company.close().await
}
