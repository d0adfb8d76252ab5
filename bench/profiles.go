package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// Environment variables that peer/profile.go reads.
const (
	cpuProfile    = "BENCH_CPUPROFILE"
	memoryProfile = "BENCH_MEMPROFILE"
)

// profile is a profile of a zcurve process.
type profile struct {
	name string
	kind string // cpuProfile or memoryProfile
	run  func(ctx context.Context, g *group) error
}

// profiles returns where time is spent, and where memory is allocated.
func (l *lab) profiles(ctx context.Context, match *regexp.Regexp, progress io.Writer) (string, error) {
	all := []profile{
		{"sending 64 B", cpuProfile, l.profiledFlow("push", 64, 3_000_000)},
		{"receiving 64 B", cpuProfile, l.profiledFlow("pull", 64, 3_000_000)},
		{"sending 8 KiB", cpuProfile, l.profiledFlow("push", 8<<10, 150_000)},
		{"receiving 8 KiB", cpuProfile, l.profiledFlow("pull", 8<<10, 150_000)},
		{"accepting connections", cpuProfile, l.profiledConnects(500)},
		{"accepting connections, memory", memoryProfile, l.profiledConnects(500)},
	}
	var b strings.Builder
	for _, p := range all {
		if !match.MatchString("profile " + p.name) {
			continue
		}
		start := time.Now()
		top, err := l.profile(ctx, p)
		if err != nil {
			return "", fmt.Errorf("profile %s: %w", p.name, err)
		}
		if b.Len() == 0 {
			b.WriteString("\n### Profiles\n\nOver CURVE, with zcurve at both ends, by `go tool pprof -top`. `Syscall6` is the time in the system.\n")
		}
		fmt.Fprintf(&b, "\n%s:\n\n```text\n%s```\n", strings.ToUpper(p.name[:1])+p.name[1:], top)
		fmt.Fprintf(progress, "%-45s %5.1f s\n", "profile "+p.name, time.Since(start).Seconds())
	}
	return b.String(), nil
}

// profile runs the processes and returns the top of the profile.
func (l *lab) profile(ctx context.Context, p profile) (string, error) {
	file := filepath.Join(l.dir, "profile")
	g := l.newGroup(ctx)
	defer g.end()
	g.env = []string{p.kind + "=" + file}
	if err := p.run(ctx, g); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=12", file).Output()
	if err != nil {
		return "", fmt.Errorf("bench: go tool pprof: %w", err)
	}
	_, top, ok := strings.Cut(string(out), "flat  flat%")
	if !ok {
		return "", fmt.Errorf("bench: go tool pprof: printed %q", out)
	}
	return "      flat  flat%" + top, nil
}

// profiledFlow makes two zcurve processes exchange messages, and profiles one of them.
func (l *lab) profiledFlow(role string, length, count int) func(context.Context, *group) error {
	return func(ctx context.Context, profiled *group) error {
		plain := l.newGroup(ctx)
		defer plain.end()
		pushing, pulling := plain, profiled
		if role == "push" {
			pushing, pulling = profiled, plain
		}
		_, _, err := flowBetween(pushing, pulling, zcurve, zcurve, zap.Curve, length, count)
		return err
	}
}

// profiledConnects makes eight clients connect count times each, and profiles the server.
func (l *lab) profiledConnects(count int) func(context.Context, *group) error {
	return func(ctx context.Context, profiled *group) error {
		server, endpoint, err := profiled.serve(zcurve, "echo", zap.Curve)
		if err != nil {
			return err
		}
		clients := l.newGroup(ctx)
		defer clients.end()
		var result connected
		if err := clients.run(zcurve, &result, "connect", zap.Curve, endpoint, 8, count); err != nil {
			return err
		}
		return server.finish()
	}
}
