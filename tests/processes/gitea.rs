//! A real forge: what is pushed with git, and what it delivers, shows in the catalog.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::gitea::Gitea;
use support::process::{Answer, Client, Server, skip};

use crate::github_read::references;
use crate::github_told::{SECRET, deliver};
use crate::{program, until};

fn serve(folder: &Path, gitea: &Gitea, every_seconds: u32) -> Server {
    let connector = json!({
        "kind": "gitea", "id": "gh", "url": gitea.url, "token": gitea.token,
        "organizations": ["acme"], "every_seconds": every_seconds, "webhook_secret": SECRET,
        "catalog_paths": ["catalog-info.yaml", "services/*/catalog-info.yaml"],
    });
    let config = folder.join("annals.yaml");
    fs::write(&config, json!({"connectors": [connector]}).to_string()).unwrap();
    program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

fn of(answer: &Answer) -> Value {
    let sources = answer.body["sources"].as_array().into_iter().flatten();
    sources.into_iter().find(|shown| shown["source"] == "gitea/gh").cloned().unwrap_or_default()
}

fn component(name: &str, description: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\n\
         metadata: {{name: {name}, description: {description}}}\n\
         spec: {{type: service, lifecycle: production, owner: shop}}\n"
    )
}

fn by_name(name: &str) -> String {
    format!("/api/catalog/entities/by-name/component/default/{name}")
}

/// Waits until a component is described so.
#[track_caller]
fn until_described(client: &Client, name: &str, description: &str) -> Value {
    let is = |answer: &Answer| answer.body["metadata"]["description"] == description;
    until(client, &by_name(name), is).body
}

/// An organization with a repository of catalog files, one of code, and one without a commit.
fn fill(gitea: &Gitea) {
    gitea.api("POST", "/orgs", &json!({"username": "acme"}));
    for name in ["shop", "code", "empty"] {
        gitea.repository("acme", name);
    }
    let text = "kind: API\napiVersion: backstage.io/v1alpha1\nmetadata: {name: pay}\n\
                spec: {type: openapi, lifecycle: production, owner: shop, \
                definition: {$text: ./openapi.yaml}}\n";
    let shop = component("shop", "first");
    let location = "---\nkind: Location\napiVersion: backstage.io/v1alpha1\n\
                    metadata: {name: more}\nspec: {targets: [./more/all.yaml]}\n";
    gitea.push(
        "acme/shop",
        &[
            ("catalog-info.yaml", Some(&format!("{shop}{location}"))),
            ("services/pay/catalog-info.yaml", Some(text)),
            ("services/pay/openapi.yaml", Some("openapi: 3.1.0\n")),
            ("more/all.yaml", Some(&component("named", "by a location"))),
        ],
    );
    gitea.push("acme/code", &[("main.rs", Some("fn main() {}\n"))]);
}

/// What is forged is refused, and what comes twice.
fn refuses(client: &Client) {
    let body = json!({"ref": "refs/heads/main", "repository":
        {"name": "shop", "full_name": "acme/shop", "default_branch": "main"}, "commits": []});
    assert_eq!(deliver(client, "push", "1", &body).status, 200);
    assert_eq!(deliver(client, "push", "1", &body).status, 409);
    let forged = [
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", "2"),
        ("X-Hub-Signature-256", "sha256=00"),
    ];
    let forged = client.try_post("/api/events/http/gh", &forged, &body.to_string()).unwrap();
    assert_eq!(forged.status, 401);
}

#[test]
fn what_is_pushed_to_a_forge_and_delivered_by_it_shows() {
    let gitea = match Gitea::start() {
        Ok(gitea) => gitea,
        Err(why) => return skip("a real forge", &why),
    };
    fill(&gitea);
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &gitea, 3600);
    let client = server.client();
    let first = until_described(&client, "shop", "first");
    let place = &first["metadata"]["annotations"]["backstage.io/managed-by-location"];
    assert_eq!(place, &format!("url:{}/acme/shop/src/branch/main/catalog-info.yaml", gitea.url));
    until_described(&client, "named", "by a location");
    let names = "api:pay component:named component:shop location:more";
    assert_eq!(references(&client).join(" "), names);
    let pay = client.get("/api/catalog/entities/by-name/api/default/pay").body;
    assert_eq!(pay["spec"]["definition"], "openapi: 3.1.0\n");

    // Nothing is asked for before an hour is over but what is delivered.
    let hook = json!({"type": "gitea", "active": true, "events": ["push", "repository"], "config": {
        "url": format!("{}/api/events/http/gh", client.url()), "content_type": "json",
        "secret": SECRET,
    }});
    gitea.api("POST", "/orgs/acme/hooks", &hook);
    gitea.push("acme/shop", &[("catalog-info.yaml", Some(&component("shop", "second")))]);
    until_described(&client, "shop", "second");
    gitea.push("acme/code", &[("catalog-info.yaml", Some(&component("code", "new")))]);
    until_described(&client, "code", "new");
    gitea.push("acme/code", &[("catalog-info.yaml", None)]);
    until(&client, &by_name("code"), |answer| answer.status == 404);
    assert_eq!(references(&client).join(" "), "api:pay component:shop");

    refuses(&client);

    gitea.api("DELETE", "/repos/acme/shop", &Value::Null);
    until(&client, &by_name("shop"), |answer| answer.status == 404);
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains(&gitea.token) && !said.contains(SECRET), "{said}");

    gitea.push("acme/code", &[("catalog-info.yaml", Some(&component("code", "last")))]);
    let server = serve(folder.path(), &gitea, 1);
    let client = server.client();
    until_described(&client, "code", "last");
    // What can't be asked any more is not gone.
    let token = gitea.token.clone();
    drop(gitea);
    let failing =
        until(&client, "/api/connectors", |answer| of(answer)["condition"]["state"] == "failing");
    let why = of(&failing)["lastError"]["message"].as_str().unwrap().to_owned();
    assert!(why.contains("could not be asked") && !why.contains(&token), "{why}");
    assert_eq!(references(&client).join(" "), "component:code");
}
