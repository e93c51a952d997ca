//! What leads to workloads, and what scales them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Leads, Place, Shown, conditions, members};
use crate::kinds::Kind;
use crate::object::{Labels, Object, list, number, text};

/// Services that one route leads to at the most, as far as that is followed.
const SERVICES_MAX: usize = 50;

pub(super) fn service(object: &Object) -> Shown {
    let Object { spec, status, .. } = object;
    let ports = list(spec, "/ports").map(|of| {
        Value::Object(members([
            ("name", json!(text(of, "/name"))),
            ("port", json!(number(of, "/port"))),
            ("protocol", json!(text(of, "/protocol"))),
        ]))
    });
    let addresses = list(status, "/loadBalancer/ingress");
    let addresses = addresses.filter_map(|of| text(of, "/hostname").or_else(|| text(of, "/ip")));
    let kind = text(spec, "/type");
    let selector = Labels::in_value(spec, "/selector");
    let selects = !selector.is_empty() && kind.as_deref() != Some("ExternalName");
    Shown {
        leads: if selects { Leads::Pods(selector) } else { Leads::Nowhere },
        steady: members([
            ("type", json!(kind)),
            ("externalName", json!(text(spec, "/externalName"))),
            ("ports", ports.collect()),
        ]),
        health: members([("addresses", addresses.map(Value::from).collect())]),
        ..Shown::default()
    }
}

pub(super) fn ingress(object: &Object) -> Shown {
    let Object { spec, status, .. } = object;
    let hosts: BTreeSet<String> = list(spec, "/rules").filter_map(|of| text(of, "/host")).collect();
    let backends = list(spec, "/rules").flat_map(|of| list(of, "/http/paths"));
    let backends = backends.filter_map(|of| text(of, "/backend/service/name"));
    let default = text(spec, "/defaultBackend/service/name");
    let backends: BTreeSet<String> = backends.chain(default).collect();
    let addresses = list(status, "/loadBalancer/ingress");
    let addresses = addresses.filter_map(|of| text(of, "/hostname").or_else(|| text(of, "/ip")));
    let tls = list(spec, "/tls").next().map(|_| true);
    let own = &object.metadata.namespace;
    Shown {
        leads: to_services(backends.iter().map(|name| (own.clone(), name.clone()))),
        steady: members([
            ("class", json!(text(spec, "/ingressClassName"))),
            ("hosts", json!(hosts)),
            ("services", json!(backends)),
            ("tls", json!(tls)),
        ]),
        health: members([("addresses", addresses.map(Value::from).collect())]),
        ..Shown::default()
    }
}

pub(super) fn route(object: &Object) -> Shown {
    let spec = &object.spec;
    let hosts = list(spec, "/hostnames").filter_map(|of| text(of, ""));
    let parents: BTreeSet<String> =
        list(spec, "/parentRefs").filter_map(|of| text(of, "/name")).collect();
    let backends = || list(spec, "/rules").flat_map(|of| list(of, "/backendRefs"));
    let services = backends().filter(|of| {
        let is = |pointer: &str, usual: &str| text(of, pointer).is_none_or(|of| of == usual);
        is("/kind", "Service") && is("/group", "")
    });
    let services = services.filter_map(|of| {
        let own = || object.metadata.namespace.clone();
        Some((text(of, "/namespace").unwrap_or_else(own), text(of, "/name")?))
    });
    let leads = to_services(services);
    let backends: BTreeSet<String> = backends().filter_map(|of| text(of, "/name")).collect();
    Shown {
        leads,
        steady: members([
            ("hosts", hosts.map(Value::from).collect()),
            ("gateways", json!(parents)),
            ("services", json!(backends)),
        ]),
        ..Shown::default()
    }
}

pub(super) fn autoscaler(object: &Object) -> Shown {
    let Object { spec, status, .. } = object;
    let target = text(spec, "/scaleTargetRef/kind").zip(text(spec, "/scaleTargetRef/name"));
    let place = target.as_ref().and_then(|(kind, name)| {
        let kind = match kind.as_str() {
            "Deployment" => Kind::Deployment,
            "StatefulSet" => Kind::StatefulSet,
            _ => return None,
        };
        Some((kind, object.metadata.namespace.as_str().into(), name.as_str().into()))
    });
    let target = target.map(|(kind, name)| format!("{kind} {name}"));
    Shown {
        leads: place.map_or(Leads::Nowhere, |place| Leads::To([place].into())),
        steady: members([
            ("target", json!(target)),
            ("min", json!(number(spec, "/minReplicas"))),
            ("max", json!(number(spec, "/maxReplicas"))),
        ]),
        health: members([
            ("current", json!(number(status, "/currentReplicas"))),
            ("desired", json!(number(status, "/desiredReplicas"))),
            ("conditions", conditions(status)),
        ]),
        ..Shown::default()
    }
}

/// Services by their namespaces and names, each once.
fn to_services(services: impl Iterator<Item = (String, String)>) -> Leads {
    let places: BTreeSet<Place> = services
        .map(|(namespace, name)| (Kind::Service, namespace.into(), name.into()))
        .take(SERVICES_MAX)
        .collect();
    if places.is_empty() { Leads::Nowhere } else { Leads::To(places.into_iter().collect()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{check, item};
    use super::*;

    #[test]
    fn what_leads_to_workloads() {
        let metadata = json!({"name": "a", "namespace": "n"});
        let service = json!({"metadata": metadata, "spec": {"type": "LoadBalancer", "clusterIP": "x",
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 3}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
        let expected = json!({"kind": "Service", "namespace": "n", "name": "a",
            "type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP"}],
            "addresses": ["192.0.2.1"]});
        check(Kind::Service, service, &expected);
        let ingress = json!({"metadata": metadata, "spec": {"ingressClassName": "x",
            "tls": [{"secretName": "s"}], "rules": [{"host": "a.example", "http": {"paths": [
                {"path": "/", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]}}]}});
        let expected = json!({"kind": "Ingress", "namespace": "n", "name": "a", "class": "x",
            "hosts": ["a.example"], "services": ["a"], "tls": true});
        check(Kind::Ingress, ingress, &expected);
        let autoscaler = json!({"metadata": metadata, "spec": {"minReplicas": 1, "maxReplicas": 3,
            "scaleTargetRef": {"kind": "Deployment", "name": "a"}},
            "status": {"currentReplicas": 2, "desiredReplicas": 3}});
        let expected = json!({"kind": "HorizontalPodAutoscaler", "namespace": "n", "name": "a",
            "target": "Deployment a", "min": 1, "max": 3, "current": 2, "desired": 3});
        check(Kind::Autoscaler, autoscaler, &expected);
    }

    #[test]
    fn where_it_leads() {
        let leads = |kind, spec: Value| {
            let metadata = json!({"name": "a", "namespace": "n"});
            item(kind, json!({"metadata": metadata, "spec": spec})).unwrap().tags.leads
        };
        let to = |places: &[(Kind, &str, &str)]| {
            let each = places.iter().map(|(kind, of, name)| (*kind, (*of).into(), (*name).into()));
            Leads::To(each.collect())
        };
        let scale = |kind: &str| json!({"scaleTargetRef": {"kind": kind, "name": "a"}});
        let pods = |of: &[(&'static str, &'static str)]| Leads::Pods(Labels::new(of.to_vec()));
        let backend = |name: &str| json!({"service": {"name": name}});
        let paths = json!([{"backend": backend("a")}, {"backend": backend("b")}]);
        for (kind, spec, expected) in [
            (Kind::Autoscaler, scale("Deployment"), to(&[(Kind::Deployment, "n", "a")])),
            (Kind::Autoscaler, scale("StatefulSet"), to(&[(Kind::StatefulSet, "n", "a")])),
            (Kind::Autoscaler, scale("Rollout"), Leads::Nowhere),
            (Kind::Service, json!({"selector": {"x": "y", "z": 1}}), pods(&[("x", "y")])),
            (Kind::Service, json!({"selector": {}}), Leads::Nowhere),
            (
                Kind::Service,
                json!({"type": "ExternalName", "selector": {"x": "y"}}),
                Leads::Nowhere,
            ),
            (
                Kind::Ingress,
                json!({"rules": [{"http": {"paths": paths}}], "defaultBackend": backend("b")}),
                to(&[(Kind::Service, "n", "a"), (Kind::Service, "n", "b")]),
            ),
            (
                Kind::HttpRoute,
                json!({"rules": [{"backendRefs": [{"name": "a", "namespace": "m"},
                    {"name": "b", "kind": "Service", "group": ""},
                    {"name": "c", "kind": "Bucket"}]}]}),
                to(&[(Kind::Service, "m", "a"), (Kind::Service, "n", "b")]),
            ),
            (Kind::HttpRoute, json!({"rules": "x"}), Leads::Nowhere),
        ] {
            assert_eq!(leads(kind, spec.clone()), expected, "{spec}");
        }
    }
}
