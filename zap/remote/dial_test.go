package remote

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestPauses: the length of the pause before the next attempt.
func TestPauses(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	fails := func(t *target) { t.failed(errors.New("connection refused")) }
	refuses := func(t *target) { t.failed(&zmtp.RefusedError{Reply: zap.Reply{Status: zap.StatusRefused}}) }
	losesAll := func(t *target) { t.lost(true, false) }
	losesSome := func(t *target) { t.lost(true, true) }
	losesIdle := func(t *target) { t.lost(false, false) }
	for name, tt := range map[string]struct {
		events []func(*target)
		want   time.Duration // up to 1.5 times of this
	}{
		"failure":                           {[]func(*target){fails}, 50 * ms},
		"failures":                          {[]func(*target){fails, fails}, 100 * ms},
		"many failures":                     {[]func(*target){fails, fails, fails, fails, fails}, 200 * ms},
		"refused":                           {[]func(*target){refuses}, 5 * time.Second},
		"refused twice":                     {[]func(*target){refuses, refuses}, 5 * time.Second},
		"refused, and then unreachable":     {[]func(*target){refuses, fails}, 50 * ms},
		"lost":                              {[]func(*target){losesSome}, 50 * ms},
		"lost often, with replies":          {[]func(*target){losesSome, losesSome, losesSome}, 50 * ms},
		"lost idle":                         {[]func(*target){losesIdle, losesIdle, losesIdle}, 50 * ms},
		"lost without a reply":              {[]func(*target){losesAll}, 200 * ms},
		"twice":                             {[]func(*target){losesAll, losesAll}, 400 * ms},
		"twice, and unreachable in between": {[]func(*target){losesAll, fails, losesAll}, 400 * ms},
		"twice, and idle in between":        {[]func(*target){losesAll, losesIdle, losesAll}, 400 * ms},
		"many times":                        {[]func(*target){losesAll, losesAll, losesAll, losesAll, losesAll, losesAll, losesAll}, 5 * time.Second},
		"many times, and then replies":      {[]func(*target){losesAll, losesAll, losesAll, losesSome, losesAll}, 200 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pauses := map[time.Duration]bool{}
				for range 100 {
					var server target
					for _, event := range tt.events {
						event(&server)
					}
					pause := time.Until(server.ready)
					if pause < tt.want || pause > tt.want*3/2 {
						t.Fatalf("a pause of %v, expected %v to %v", pause, tt.want, tt.want*3/2)
					}
					pauses[pause] = true
				}
				if len(pauses) < 10 {
					t.Errorf("all pauses are the same: %v", pauses)
				}
			})
		})
	}
}

// TestTurns: servers are tried in turn, beginning with those whose pause is over.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &Handler{}
		for turn := range 3 {
			c.targets = append(c.targets, &target{turn: turn})
		}
		a, b, d := c.targets[0], c.targets[1], c.targets[2]
		for _, tt := range []struct {
			first  int
			waits  map[*target]time.Duration
			trying []*target
			want   *target
		}{
			{0, nil, nil, a},
			{2, nil, nil, d},
			{3, nil, nil, a},
			{1, nil, []*target{b}, d},
			{2, nil, []*target{d}, a},
			{0, map[*target]time.Duration{a: 1}, nil, b},
			{0, map[*target]time.Duration{a: 2, b: 3, d: 1}, nil, d},
			{0, map[*target]time.Duration{a: 2, b: 3, d: 1}, []*target{d}, a},
			{0, nil, []*target{a, b, d}, nil},
		} {
			trying := map[*target]bool{}
			for _, server := range tt.trying {
				trying[server] = true
			}
			for _, server := range c.targets {
				server.ready = time.Now().Add(tt.waits[server])
			}
			if got := c.nextTarget(tt.first, trying); got != tt.want {
				t.Errorf("%+v: got %+v", tt, got)
			}
		}
	})
}
