// Page shows zauth's status page to Chromium and its metrics to Prometheus, and checks what they
// say. It writes pictures of the page for the documentation.
//
//	go run ./internal/page -o docs/images -for 28m
//
// A service asks zauth about real clients, known and unknown. With -for, they connect for that
// long before the pictures, so that the plot is not empty. It needs Debian's packages chromium and
// prometheus, which "make page" installs. It exits with 1 if the page is wider than the window,
// uses anything that zauth does not serve, causes an error in the browser, shows less without
// JavaScript, or does not stay fresh with it, or if Prometheus finds fault with the metrics, the
// alert rules or the dashboard.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	out := flag.String("o", "docs/images", "directory of the pictures")
	length := flag.Duration("for", 20*time.Second, "how long clients connect before the pictures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := check(ctx, *out, *length)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

// check builds zauth, lets clients connect, and looks at it with both programs.
func check(ctx context.Context, out string, length time.Duration) error {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newSite(ctx, dir)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.traffic(ctx, length); err != nil {
		return err
	}
	return errors.Join(checkBrowser(ctx, s, out), checkPrometheus(ctx, s))
}
