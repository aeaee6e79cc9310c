#![allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout
)]
use kfed_dnsprovider::*;
fn main() {
    let owner = Owner("fed".into());
    let sets: Vec<_> = (0..100_000u32)
        .map(|n| DesiredRecordSet {
            key: RecordSetKey::new(
                format!("svc{n:06}.default.myfederation.svc.westus.example.com").parse().unwrap(),
                RecordType::A,
            ),
            ttl: 30,
            data: [
                (RecordData::A((n | 0x0a000000).into()), ["fed-west".to_string()].into()),
                (RecordData::A((n | 0x0b000000).into()), ["fed-east".to_string()].into()),
            ]
            .into(),
            resource: Resource::service("default", format!("svc{n}")),
        })
        .collect();
    let snap: ZoneSnapshot = sets.iter().map(|s| s.to_record_set(&owner)).collect();
    let mut d = Desired { sets, ..Default::default() };
    let cpu = || {
        let s = std::fs::read_to_string("/proc/self/stat").unwrap();
        let v: Vec<_> = s.rsplit(')').next().unwrap().split_whitespace().collect();
        v[11].parse::<u64>().unwrap() + v[12].parse::<u64>().unwrap()
    };
    let a = cpu();
    for _ in 0..20 {
        std::hint::black_box(plan(&snap, &d, &owner, &Policy::default()));
    }
    let b = cpu();
    println!("{} ms cpu each", (b - a) * 10 / 20);
    d.sets.reverse();
    let a = cpu();
    for _ in 0..20 {
        std::hint::black_box(plan(&snap, &d, &owner, &Policy::default()));
    }
    let b = cpu();
    println!("{} ms cpu each reversed", (b - a) * 10 / 20);
    let e = ZoneSnapshot::default();
    let a = cpu();
    for _ in 0..5 {
        std::hint::black_box(plan(&e, &d, &owner, &Policy::default()));
    }
    let b = cpu();
    println!("{} ms cpu each create all", (b - a) * 10 / 5);
}
