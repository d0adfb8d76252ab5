package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of zauth. docs/zauth.md lists them.
var (
	decisions  = desc("zauth_decisions_total", "Decisions since the start, by ZAP domain, mechanism and status.", "domain", "mechanism", "status")
	identities = desc("zauth_identities", "Identities of a keystore that are not revoked.", "store")
	expiring   = desc("zauth_identities_expiring", "Identities of a keystore whose certificate expires within 30 days.", "store")
	listExpiry = desc("zauth_revocation_list_expiry_timestamp_seconds", "When a revocation list expires.", "file")
	loaded     = desc("zauth_policy_loaded_timestamp_seconds", "When the current policy was loaded.")
	latency    = desc("zauth_decision_seconds", "How long decisions took, by mechanism.", "mechanism")
	reloads    = desc("zauth_reloads_total", "How often changed rules were read, by result: applied or rejected. The start and each SIGHUP count, too.", "result")
	current    = desc("zauth_rules_current", "1 if the newest rules apply, 0 while they are rejected and the previous ones apply.")
	readable   = desc("zauth_keystore_readable", "1 if a keystore can be read, 0 if not.", "store")
	limitHits  = desc("zauth_limit_hits_total", "How often a limit was hit since the start.", "limit")
	pending    = desc("zauth_pending_keys", "Unknown keys that were refused and wait for the operator.")
	clients    = desc("zauth_clients", "Clients that zauth remembers, known and unknown.")
	buildInfo  = desc("zauth_build_info", "Always 1. The label is the version of zauth.", "version")
)

// descs are the descriptions of all metrics of zauth.
var descs []*prometheus.Desc

func desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(name, help, labels, nil)
	descs = append(descs, d)
	return d
}

// collector tells Prometheus what zauth knows at that time.
type collector struct{ s Source }

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	status := c.s.Status()
	counters := samples{}
	for _, n := range c.s.Monitor.Counts() {
		counters.add(decisions, float64(n.Count), n.Domain, n.Mechanism, strconv.Itoa(n.Status))
	}
	for _, l := range status.Limits {
		counters.add(limitHits, float64(l.Count), l.Name)
	}
	counters.add(reloads, float64(status.Reloads.Applied), "applied")
	counters.add(reloads, float64(status.Reloads.Rejected), "rejected")
	counters.send(out, prometheus.CounterValue)

	for _, h := range c.s.Monitor.Latencies() {
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, bound := range h.Bounds {
			sum += h.Counts[i]
			buckets[bound.Seconds()] = sum
		}
		out <- prometheus.MustNewConstHistogram(latency, h.Count, h.Sum.Seconds(), buckets, h.Mechanism)
	}

	gauges := samples{}
	for _, store := range status.Stores {
		gauges.set(identities, float64(store.Identities), store.URL)
		gauges.set(readable, unless(store.Failed), store.URL)
		gauges.add(expiring, 0, store.URL)
	}
	for _, e := range status.Expiring {
		gauges.add(expiring, 1, e.Store)
	}
	for _, list := range status.Lists {
		gauges.set(listExpiry, seconds(list.Expires), list.File)
	}
	if status.Policy != nil {
		gauges.add(loaded, seconds(status.Policy.Since))
	}
	gauges.add(current, unless(status.Reloads.Failed))
	gauges.add(pending, float64(status.Pending))
	gauges.add(clients, float64(c.s.Monitor.Len()))
	gauges.add(buildInfo, 1, status.Version)
	gauges.send(out, prometheus.GaugeValue)
}

// unless returns 0 if something failed, or else 1.
func unless(failed string) float64 {
	if failed != "" {
		return 0
	}
	return 1
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// sample identifies a value.
type sample struct {
	desc   *prometheus.Desc
	labels [3]string
	n      int // labels in use
}

// samples are values by what they are about, because Prometheus takes no two about the same. Labels
// that services choose may differ only in bytes that are not UTF-8, which become U+FFFD.
type samples map[sample]float64

func newSample(d *prometheus.Desc, labels []string) sample {
	of := sample{desc: d, n: len(labels)}
	for i, label := range labels {
		of.labels[i] = strings.ToValidUTF8(label, "\ufffd")
	}
	return of
}

func (s samples) set(d *prometheus.Desc, value float64, labels ...string) {
	s[newSample(d, labels)] = value
}
func (s samples) add(d *prometheus.Desc, value float64, labels ...string) {
	s[newSample(d, labels)] += value
}

// send sends the values as metrics.
func (s samples) send(out chan<- prometheus.Metric, kind prometheus.ValueType) {
	for of, value := range s {
		out <- prometheus.MustNewConstMetric(of.desc, kind, value, of.labels[:of.n]...)
	}
}
