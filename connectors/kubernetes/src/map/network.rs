//! What leads to workloads, and what scales them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Shown, conditions, members};
use crate::object::{Object, list, number, text};

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
    Shown {
        steady: members([
            ("type", json!(text(spec, "/type"))),
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
    let backends: BTreeSet<String> =
        backends.filter_map(|of| text(of, "/backend/service/name")).collect();
    let addresses = list(status, "/loadBalancer/ingress");
    let addresses = addresses.filter_map(|of| text(of, "/hostname").or_else(|| text(of, "/ip")));
    let tls = list(spec, "/tls").next().map(|_| true);
    Shown {
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
    let backends = list(spec, "/rules").flat_map(|of| list(of, "/backendRefs"));
    let backends: BTreeSet<String> = backends.filter_map(|of| text(of, "/name")).collect();
    Shown {
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
    let target = target.map(|(kind, name)| format!("{kind} {name}"));
    Shown {
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

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use crate::kinds::Kind;
    use serde_json::json;

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
}
