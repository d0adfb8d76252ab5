// Package peer has what the peers of the benchmarks share: how they measure and report.
package peer

import (
	"encoding/json"
	"os"
	"slices"
	"time"
)

// Report prints a result as a line of JSON.
func Report(result any) error { return json.NewEncoder(os.Stdout).Encode(result) }

// warmUp is how many round trips come before the measured ones.
const warmUp = 1000

// RoundTrips measures count calls of trip, one after the other, and reports them.
func RoundTrips(count int, trip func() error) error {
	took := make([]time.Duration, 0, count)
	for i := range warmUp + count {
		start := time.Now()
		if err := trip(); err != nil {
			return err
		}
		if i >= warmUp {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return Report(struct {
		Median int64 `json:"median_ns"`
		P99    int64 `json:"p99_ns"`
	}{took[count/2].Nanoseconds(), took[count*99/100].Nanoseconds()})
}
