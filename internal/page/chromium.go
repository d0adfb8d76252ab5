package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// chromium is a headless browser with one tab, controlled by the DevTools protocol over pipes.
type chromium struct {
	cmd     *exec.Cmd
	in      *os.File
	session string // of the tab

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	loaded  chan bool // the page has loaded
	faults  []string  // errors and requests that the page must not cause
	base    string    // what the page may request begins with this
	err     error
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// startChromium starts Debian's Chromium. The page may request what begins with base.
func startChromium(ctx context.Context, dir, base string) (*chromium, error) {
	fromUs, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, toUs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	args := []string{"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + filepath.Join(dir, "chromium"),
		"--no-first-run", "--disable-gpu", "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
		"--force-color-profile=srgb", "about:blank"}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // it refuses to run as root with it
	}
	c := &chromium{cmd: exec.CommandContext(ctx, "chromium", args...), in: in, waiting: map[int]chan reply{}, loaded: make(chan bool, 1), base: base}
	c.cmd.ExtraFiles = []*os.File{fromUs, toUs} // descriptors 3 and 4
	err = c.cmd.Start()
	fromUs.Close()
	toUs.Close()
	if err != nil {
		return nil, err
	}
	go c.read(out)
	var target struct{ TargetID, SessionID string }
	if err := c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	if err := c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target); err != nil {
		return nil, err
	}
	c.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "DOM"} {
		if err := c.call(domain+".enable", nil, nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *chromium) close() {
	c.call("Browser.close", nil, nil)
	c.in.Close()
	c.cmd.Wait()
}

// read reads replies and events, which end with NUL.
func (c *chromium) read(out *os.File) {
	defer out.Close()
	r := bufio.NewReader(out)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			c.mu.Lock()
			c.err = errors.New("chromium ended")
			for _, w := range c.waiting {
				close(w)
			}
			c.waiting = nil
			c.mu.Unlock()
			return
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			reply
		}
		if json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m) != nil {
			continue
		}
		c.mu.Lock()
		if w := c.waiting[m.ID]; w != nil {
			w <- m.reply
			delete(c.waiting, m.ID)
		} else if m.Method != "" {
			c.event(m.Method, m.Params)
		}
		c.mu.Unlock()
	}
}

// event notices an event, with mu held.
func (c *chromium) event(method string, params json.RawMessage) {
	var p struct {
		Request struct{ URL string }
		Type    string
		Entry   struct{ Level, Text, URL string }
	}
	json.Unmarshal(params, &p)
	switch method {
	case "Page.loadEventFired":
		select {
		case c.loaded <- true:
		default:
		}
	case "Network.requestWillBeSent":
		if !strings.HasPrefix(p.Request.URL, c.base) && !strings.HasPrefix(p.Request.URL, "about:") {
			c.faults = append(c.faults, "request to "+p.Request.URL)
		}
	case "Runtime.exceptionThrown":
		c.faults = append(c.faults, "exception: "+string(params))
	case "Runtime.consoleAPICalled":
		c.faults = append(c.faults, "console: "+string(params))
	case "Log.entryAdded":
		c.faults = append(c.faults, p.Entry.Level+": "+p.Entry.Text+" "+p.Entry.URL)
	}
}

// call calls a method, in the tab if there is one, and stores its result.
func (c *chromium) call(method string, params map[string]any, result any) error {
	w := make(chan reply, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return c.err
	}
	c.last++
	message := map[string]any{"id": c.last, "method": method, "params": params}
	if params == nil {
		message["params"] = struct{}{}
	}
	if c.session != "" && method != "Browser.close" {
		message["sessionId"] = c.session
	}
	text, err := json.Marshal(message)
	if err == nil {
		c.waiting[c.last] = w
		_, err = c.in.Write(append(text, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	r, ok := <-w
	switch {
	case !ok:
		return fmt.Errorf("%s: chromium ended", method)
	case r.Error != nil:
		return fmt.Errorf("%s: %s", method, r.Error.Message)
	case result != nil:
		return json.Unmarshal(r.Result, result)
	}
	return nil
}

// takeFaults returns the faults since the last call.
func (c *chromium) takeFaults() (faults []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	faults, c.faults = c.faults, nil
	return faults
}

// window sets the size of the window, the color scheme, and whether scripts run.
func (c *chromium) window(width, height int, scheme string, scripts bool) error {
	return errors.Join(
		c.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil),
		c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil),
		c.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": !scripts}, nil))
}

// open opens a page and waits until it has loaded.
func (c *chromium) open(ctx context.Context, url string) error {
	select {
	case <-c.loaded: // of the previous page
	default:
	}
	if err := c.call("Page.navigate", map[string]any{"url": url}, nil); err != nil {
		return err
	}
	select {
	case <-c.loaded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// width returns the width of the whole page.
func (c *chromium) width() (float64, error) {
	var metrics struct{ CSSContentSize struct{ Width float64 } }
	err := c.call("Page.getLayoutMetrics", nil, &metrics)
	return metrics.CSSContentSize.Width, err
}

// text returns the page as HTML, as it is now.
func (c *chromium) text() (string, error) {
	var document struct{ Root struct{ NodeID int } }
	if err := c.call("DOM.getDocument", nil, &document); err != nil {
		return "", err
	}
	var outer struct{ OuterHTML string }
	err := c.call("DOM.getOuterHTML", map[string]any{"nodeId": document.Root.NodeID}, &outer)
	return outer.OuterHTML, err
}

// picture returns a picture of the window as PNG.
func (c *chromium) picture() ([]byte, error) {
	var shot struct{ Data []byte }
	err := c.call("Page.captureScreenshot", map[string]any{"format": "png", "optimizeForSpeed": false}, &shot)
	return shot.Data, err
}
