use crate::support::*;
#[tokio::test(start_paused = true)]
async fn perf() {
    for n in [100, 200, 400] {
        let member = builder("m").nodes(200).start().await.unwrap();
        #[allow(clippy::disallowed_methods, clippy::disallowed_types)]
        let t = std::time::Instant::now();
        for i in 0..n {
            create(&sets(&member), &replica_set(&format!("web{i}"), 8)).await;
            create(&services(&member), &service(&format!("web{i}"), "LoadBalancer", 80)).await;
        }
        for i in 0..n {
            until_ready(&member.client(), &format!("web{i}"), 8).await;
        }
        eprintln!("{n} sets: {:?}", t.elapsed());
    }
}
