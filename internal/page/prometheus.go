package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Alert rules and the dashboard, which use the metrics.
const (
	rulesFile     = "contrib/prometheus/alerts.yml"
	dashboardFile = "contrib/grafana/zauth.json"
)

// checkPrometheus checks the metrics and the alert rules with promtool, lets Prometheus scrape
// zauth, and evaluates all expressions of the rules and of the dashboard.
func checkPrometheus(ctx context.Context, s *site) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := promtool(ctx, s); err != nil {
		return err
	}
	p, err := startPrometheus(ctx, s)
	if err != nil {
		return err
	}
	defer p.close()
	// A rate needs two scrapes.
	for {
		n, err := p.query(ctx, `rate(zauth_decision_seconds_count[1m])`)
		if err == nil && n > 0 {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("prometheus has no metrics of zauth: %w", errors.Join(err, ctx.Err()))
		}
		time.Sleep(200 * time.Millisecond)
	}
	return errors.Join(p.checkRules(ctx), p.checkDashboard(ctx))
}

// promtool checks the metrics and the rules.
func promtool(ctx context.Context, s *site) error {
	resp, err := http.Get(s.url + "metrics")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	metrics := exec.CommandContext(ctx, "promtool", "check", "metrics")
	metrics.Stdin = resp.Body
	text, err := metrics.CombinedOutput()
	for line := range strings.Lines(string(text)) {
		// Others chose the names of go_ and process_ metrics.
		if strings.HasPrefix(line, "zauth_") || strings.HasPrefix(line, "error") {
			return fmt.Errorf("promtool check metrics: %s", line)
		}
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	if text, err := exec.CommandContext(ctx, "promtool", "check", "rules", "--lint-fatal", rulesFile).CombinedOutput(); err != nil {
		return fmt.Errorf("promtool check rules: %w\n%s", err, text)
	}
	return nil
}

// prometheus is a running Prometheus that scrapes zauth.
type prometheus struct {
	cmd *exec.Cmd
	url string
}

func startPrometheus(ctx context.Context, s *site) (*prometheus, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := ln.Addr().String()
	ln.Close() // Prometheus does not say which port it picked
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(s.dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n  - job_name: zauth\n    static_configs:\n      - targets: [%q]\n", rules, target.Host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &prometheus{url: "http://" + address}
	p.cmd = exec.CommandContext(ctx, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(s.dir, "prometheus"), "--web.listen-address="+address, "--log.level=error")
	p.cmd.Stderr = os.Stderr
	return p, p.cmd.Start()
}

func (p *prometheus) close() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

// get asks the API for a path.
func (p *prometheus) get(ctx context.Context, path string, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}

// query evaluates an expression. It returns the number of values.
func (p *prometheus) query(ctx context.Context, expr string) (n int, err error) {
	var data struct{ Result []json.RawMessage }
	if err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &data); err != nil {
		return 0, fmt.Errorf("%s: %w", expr, err)
	}
	return len(data.Result), nil
}

// checkRules waits until all rules have been evaluated, without an error.
func (p *prometheus) checkRules(ctx context.Context) error {
	type rule struct{ Name, Health, LastError, State string }
	for {
		var data struct{ Groups []struct{ Rules []rule } }
		if err := p.get(ctx, "/api/v1/rules", &data); err != nil {
			return err
		}
		evaluated, states := 0, map[string]string{}
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				if r.Health == "err" {
					return fmt.Errorf("rule %s: %s", r.Name, r.LastError)
				}
				if r.Health == "ok" {
					evaluated++
				}
				states[r.Name] = r.State
			}
		}
		// Two certificates of the site expire soon, and strangers have asked.
		if evaluated > 0 && evaluated == len(states) && states["ZauthIdentitiesExpire"] != "inactive" && states["ZauthUnknownKeys"] != "inactive" {
			fmt.Printf("%s: %d rules evaluated\n", rulesFile, evaluated)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("rules were not evaluated: %v", states)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// checkDashboard evaluates the expressions of the dashboard.
func (p *prometheus) checkDashboard(ctx context.Context) error {
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		return err
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return fmt.Errorf("%s: %w", dashboardFile, err)
	}
	variables := strings.NewReplacer("$instance", ".*", "$domain", ".*", "$__rate_interval", "1m")
	var errs []error
	count := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			n, err := p.query(ctx, variables.Replace(target.Expr))
			switch count++; {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s, panel %q: %w", dashboardFile, panel.Title, err))
			case n == 0 && !strings.Contains(target.Expr, `status="`): // some never happened
				errs = append(errs, fmt.Errorf("%s, panel %q: no value of %s", dashboardFile, panel.Title, target.Expr))
			}
		}
	}
	fmt.Printf("%s: %d expressions evaluated\n", dashboardFile, count)
	return errors.Join(errs...)
}
