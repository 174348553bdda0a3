/**
 * The upstream of the color that is not active, ready or not: what a deployment waits with. For the preview socket, which
 * only the owner reaches; its requests are not counted. Rendered once per service, as pick() is.
 */
import { otherColor, type Route, upstreamName } from './route.ts';

function preview(_r: NginxHTTPRequest): string {
  try {
    const text = (ngx.shared.turnout_routes as NgxSharedDict<string>).get('@SERVICE@/route') as string;
    const route = JSON.parse(text) as Route;
    const color = otherColor(route.active);
    const slots = route.colors[color].slots;
    return slots.length > 0 ? upstreamName('@SERVICE@', color, slots) : 'turnout_none';
  } catch (_) {
    return 'turnout_none';
  }
}

export default preview;
