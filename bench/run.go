package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// groupLimit is how long the processes of one measurement may run.
const groupLimit = 2 * time.Minute

// group holds the processes of one measurement. When one fails, all are killed, so that
// none waits for it.
type group struct {
	peers  *peers
	ctx    context.Context // of the processes; its cause says which one failed
	cancel context.CancelCauseFunc
	limit  *time.Timer
	ended  sync.WaitGroup
	env    []string // of the processes, in addition to the keys
}

func (p *peers) newGroup(ctx context.Context) *group {
	ctx, cancel := context.WithCancelCause(ctx)
	limit := time.AfterFunc(groupLimit, func() {
		cancel(fmt.Errorf("bench: a measurement took longer than %v", groupLimit))
	})
	return &group{peers: p, ctx: ctx, cancel: cancel, limit: limit}
}

// end kills the processes that still run and waits for them.
func (g *group) end() {
	g.limit.Stop()
	g.cancel(nil)
	g.ended.Wait()
}

// child is a running process.
type child struct {
	group *group
	name  string
	stdin io.WriteCloser
	lines chan string // closed when the process exits
}

// peer starts the program of a side in a role.
func (g *group) peer(s side, args ...any) (*child, error) {
	return g.start(g.peers.path[s], texts(args)...)
}

// texts returns arguments as text.
func texts(args []any) (all []string) {
	for _, arg := range args {
		all = append(all, fmt.Sprint(arg))
	}
	return all
}

// start starts a program.
func (g *group) start(path string, args ...string) (*child, error) {
	cmd := exec.CommandContext(g.ctx, path, args...)
	cmd.Env = append(slices.Clip(g.peers.env), g.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("bench: pipes: %w", err)
	}
	c := &child{
		group: g,
		name:  strings.Join(append([]string{filepath.Base(path)}, args...), " "),
		stdin: stdin,
		lines: make(chan string, 16),
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench: starting %s: %w", c.name, err)
	}
	g.ended.Go(func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			select {
			case c.lines <- scanner.Text():
			case <-g.ctx.Done(): // in case no one reads
			}
		}
		if err := cmd.Wait(); err != nil {
			g.cancel(fmt.Errorf("bench: %s: %w\n%s", c.name, err, stderr.Bytes()))
		}
	})
	return c, nil
}

// line waits for the next line of a child, which must begin with prefix, and returns the
// rest.
func (c *child) line(prefix string) (string, error) {
	line, ok := <-c.lines
	if !ok {
		if err := context.Cause(c.group.ctx); err != nil {
			return "", err
		}
		return "", fmt.Errorf("bench: %s: exited without a result", c.name)
	}
	rest, ok := strings.CutPrefix(line, prefix)
	if !ok {
		return "", fmt.Errorf("bench: %s: printed %q, expected %q", c.name, line, prefix)
	}
	return rest, nil
}

// serve starts a server and returns it with its endpoint.
func (g *group) serve(s side, args ...any) (server *child, endpoint string, err error) {
	if server, err = g.peer(s, args...); err != nil {
		return nil, "", err
	}
	endpoint, err = server.line("listening ")
	return server, endpoint, err
}

// result waits for a line of JSON.
func (c *child) result(v any) error {
	line, err := c.line("")
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), v); err != nil {
		return fmt.Errorf("bench: %s: printed %q: %w", c.name, line, err)
	}
	return nil
}

// stat is the processor time and memory of an echo server.
type stat struct {
	CPU int64 `json:"cpu_ns"`
	RSS int64 `json:"rss"`
}

// stat asks an echo server for its processor time and memory. With "settle", the server
// collects its garbage first.
func (c *child) stat(word string) (s stat, err error) {
	if _, err := fmt.Fprintln(c.stdin, word); err != nil {
		return s, fmt.Errorf("bench: %s: %w", c.name, err)
	}
	return s, c.result(&s)
}

// finish closes the input of a child, so that it exits, and waits for it.
func (c *child) finish() error {
	c.stdin.Close()
	if line, ok := <-c.lines; ok {
		return fmt.Errorf("bench: %s: printed %q at its end", c.name, line)
	}
	return context.Cause(c.group.ctx)
}

// run starts a client and waits for its result.
func (g *group) run(s side, result any, args ...any) error {
	c, err := g.peer(s, args...)
	if err != nil {
		return err
	}
	return c.result(result)
}
