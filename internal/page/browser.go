package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
)

// sizes are those of a phone, a tablet and a desktop.
var sizes = []struct{ width, height int }{{360, 800}, {800, 1000}, {1440, 1000}}

// maxPicture is the size of the largest picture in bytes.
const maxPicture = 150_000

// checkBrowser looks at the page in all sizes, light and dark, with scripts and without.
func checkBrowser(ctx context.Context, s *site, out string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	c, err := startChromium(ctx, s.dir, s.url)
	if err != nil {
		return err
	}
	defer c.close()
	var errs []error
	for _, size := range sizes {
		for _, scheme := range []string{"light", "dark"} {
			for _, scripts := range []bool{true, false} {
				name := fmt.Sprintf("status-%d-%s.png", size.width, scheme)
				if err := errors.Join(c.window(size.width, size.height, scheme, scripts), c.open(ctx, s.url)); err != nil {
					return err
				}
				errs = append(errs, checkPage(c, size.width, scripts))
				if scripts {
					errs = append(errs, savePicture(c, filepath.Join(out, name)))
				}
				for _, fault := range c.takeFaults() {
					errs = append(errs, fmt.Errorf("%s, scripts %t: %s", name, scripts, fault))
				}
			}
		}
	}
	return errors.Join(append(errs, checkFresh(ctx, c, s))...)
}

// checkPage checks the width of the page and that it shows everything.
func checkPage(c *chromium, width int, scripts bool) error {
	wide, err := c.width()
	if err != nil {
		return err
	}
	if int(wide) > width {
		err = fmt.Errorf("in a window of %d, the page is %v wide", width, wide)
	}
	text, textErr := c.text()
	if textErr != nil {
		return textErr
	}
	for _, want := range []string{"Last decisions", "unknown key", "zauth admit SHA256:", "globex", "policy.zpl", "<svg role=\"img\""} {
		if !strings.Contains(text, want) {
			err = errors.Join(err, fmt.Errorf("scripts %t: the page doesn't show %q", scripts, want))
		}
	}
	return err
}

// checkFresh checks that a page that is open shows a new decision.
func checkFresh(ctx context.Context, c *chromium, s *site) error {
	if err := errors.Join(c.window(800, 1000, "light", true), c.open(ctx, s.url)); err != nil {
		return err
	}
	secret := cert.Generate("").Secret
	s.clients["newcomer"] = secret
	s.connect(ctx, "newcomer", "payments", "127.0.0.1")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		text, err := c.text()
		if err != nil {
			return err
		}
		if strings.Contains(text, secret.Public().Fingerprint()) {
			break
		}
		if time.Now().After(deadline) {
			return errors.New("an open page doesn't show a new decision within 30 seconds")
		}
	}
	var errs []error
	for _, fault := range c.takeFaults() {
		errs = append(errs, fmt.Errorf("refreshing: %s", fault))
	}
	return errors.Join(errs...)
}

// savePicture writes a picture of the window, with its 256 most frequent colors.
func savePicture(c *chromium, path string) error {
	data, err := c.picture()
	if err != nil {
		return err
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return err
	}
	var small bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&small, withFewColors(picture)); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes\n", path, small.Len())
	if small.Len() > maxPicture {
		err = fmt.Errorf("%s: %d bytes, more than %d", path, small.Len(), maxPicture)
	}
	return errors.Join(err, os.WriteFile(path, small.Bytes(), 0o644))
}

// withFewColors replaces the colors of a picture by the most similar ones of a palette. That has
// one color of each hue, so that rare ones stay, and the most frequent others.
func withFewColors(picture image.Image) image.Image {
	counts := map[color.RGBA]int{}
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			counts[color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(counts), func(c, d color.RGBA) int { return counts[d] - counts[c] })
	isRepeat := map[[3]uint8]bool{}
	var palette, others color.Palette
	for _, c := range frequent {
		if hue := [3]uint8{c.R >> 5, c.G >> 5, c.B >> 5}; !isRepeat[hue] {
			isRepeat[hue] = true
			palette = append(palette, c)
		} else {
			others = append(others, c)
		}
	}
	palette = append(palette, others...)
	paletted := image.NewPaletted(b, palette[:min(256, len(palette))])
	draw.Draw(paletted, b, picture, b.Min, draw.Src)
	return paletted
}
